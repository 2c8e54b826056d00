//! Any control request: no panic; what it says is what strict JSON reads in it, and nothing that JSON cannot hold is
//! passed on in silence.
#![no_main]

use std::time::Duration;

use dispatcher_protocol::{ControlRequest, Decoded, MAX_SECONDS, decode, to_ascii_json};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(Decoded::Control(request)) = decode(text.to_owned()) else { return };
    assert!(request.reply_to.as_deref() != Some(""));
    assert!(request.delay <= Duration::from_secs_f64(MAX_SECONDS));
    if let Ok(Value::Object(strict)) = serde_json::from_str(text) {
        assert_eq!(strict["control"], Value::String(request.command.clone()));
        let data = strict.get("control_data").cloned().unwrap_or(Value::Null);
        let read = Value::Object(request.data.clone());
        assert!(data.is_null() && request.data.is_empty() || same(&data, &read), "{data} was read as {read}");
    }
    as_it_was_read(&request);
});

/// Equal, for Python: `-0` is an integer there, and a float is the nearest to its text.
fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => match (one.as_f64(), two.as_f64()) {
            (Some(one), Some(two)) => (one - two).abs() <= one.abs() * 1e-15,
            _ => one == two,
        },
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one.iter().all(|(key, one)| two.get(key).is_some_and(|two| same(one, two)))
        }
        (one, two) => one == two,
    }
}

/// Written anew, as a reply is written, it says the same.
fn as_it_was_read(request: &ControlRequest) {
    let again = serde_json::json!({"control": request.command, "control_data": request.data});
    match decode(to_ascii_json(&again)) {
        Ok(Decoded::Control(read)) => {
            assert_eq!((read.command, read.data), (request.command.clone(), request.data.clone()));
        }
        // The escapes of ASCII make it longer.
        Err(error) => assert_eq!(error.reason.label(), "too_long"),
        Ok(other) => panic!("a control request became {other:?}"),
    }
}

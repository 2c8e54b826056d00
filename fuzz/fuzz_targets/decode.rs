//! Any payload: no panic, strict JSON is never called broken, and a worker gets what was published.
#![no_main]

use dispatcher_protocol::{Decoded, Reason, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = decode(text.to_owned());
    let strict = serde_json::from_str::<serde_json::Value>(text);
    if strict.is_ok() {
        assert!(!matches!(&read, Err(error) if error.reason == Reason::BadJson), "strict JSON is refused");
    }
    let Ok(Decoded::Task(message)) = read else { return };
    assert!(!message.body().contains(['\n', '\r']));
    assert!(message.body().len() <= text.len().max(16) * 12);
    let mut out = Vec::new();
    message.write_with("the uuid", "the channel", &mut out);
    let handed_out = String::from_utf8(out).expect("UTF-8");
    match decode(handed_out) {
        Ok(Decoded::Task(again)) => {
            assert_eq!(again.uuid(), Some("the uuid"));
            assert_eq!(
                (again.task(), again.args(), again.kwargs()),
                (message.task(), message.args(), message.kwargs())
            );
            assert_eq!((again.timeout(), again.delay()), (message.timeout(), message.delay()));
            assert!(again.same_work(&message) && again.fingerprint() == message.fingerprint());
        }
        Ok(other) => panic!("a task became {other:?}"),
        // What is added may reach the limits that the message itself kept.
        Err(error) => assert!(matches!(error.reason, Reason::TooLong | Reason::TooManyKeys), "{error}"),
    }
});

//! Any two values: equality is symmetric and reflexive, and goes together with the fingerprint.
#![no_main]

use dispatcher_protocol::{Decoded, TaskMessage, decode, same_json};
use libfuzzer_sys::fuzz_target;

fn task(value: &str) -> Option<TaskMessage> {
    match decode(format!("{{\"task\":\"a.b\",\"args\":[{value}]}}")) {
        Ok(Decoded::Task(message)) if message.args()?.len() == value.len() + 2 => Some(message),
        _ => None,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((one, other)) = text.split_once('\n') else { return };
    let (Some(left), Some(right)) = (task(one), task(other)) else { return };
    let same = left.same_work(&right);
    assert_eq!(same, right.same_work(&left));
    assert_eq!(same, left.fingerprint() == right.fingerprint());
    assert!(left.same_work(&left) && right.same_work(&right));
    // Writing a value anew, in the order of another program, changes nothing.
    let spread = one.replace(',', " , ").replace(':', " : ");
    if !one.contains('"') {
        assert!(same_json(&format!("[{one}]"), &format!("[{spread}]")));
    }
});

//! The vectors that Rust and Python both read: every message means the same in both.

use std::time::Duration;

use dispatcher_protocol::{Decoded, OnDuplicate, TaskMessage, decode, same_json};
use serde_json::Value;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn seconds(time: Option<Duration>) -> Value {
    time.map_or(Value::Null, |time| time.as_secs_f64().into())
}

fn part(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).expect("strict JSON"))
}

fn rule(message: &TaskMessage) -> &'static str {
    match message.on_duplicate() {
        OnDuplicate::Parallel => "parallel",
        OnDuplicate::Discard => "discard",
        OnDuplicate::Serial => "serial",
        OnDuplicate::QueueOne => "queue_one",
    }
}

fn check_task(case: &Value, message: &TaskMessage) {
    assert_eq!(case["task"], message.task(), "{case}");
    assert_eq!(case["uuid"].as_str(), message.uuid(), "{case}");
    assert_eq!(case["timeout"], seconds(message.timeout()), "{case}");
    assert_eq!(case["delay"], seconds(message.delay()), "{case}");
    assert_eq!(case["on_duplicate"].as_str().unwrap_or("parallel"), rule(message), "{case}");
    match case["raw"].as_str() {
        Some(raw) => assert_eq!(message.args(), Some(raw), "{case}"),
        None => assert_eq!(case["args"], part(message.args()), "{case}"),
    }
    assert_eq!(case["kwargs"], part(message.kwargs()), "{case}");
    assert!(!message.body().contains(['\n', '\r']), "{case}");
}

#[test]
fn every_message_means_what_its_vector_says() {
    for case in cases(include_str!("vectors/messages.json")) {
        let payload = case["payload"].as_str().expect("a payload").to_owned();
        match decode(payload) {
            Ok(Decoded::Task(message)) => check_task(&case, &message),
            Ok(Decoded::Control(request)) => {
                assert_eq!(case["control"], request.command, "{case}");
                assert_eq!(case["data"], Value::Object(request.data), "{case}");
                assert_eq!(case["reply_to"].as_str(), request.reply_to.as_deref(), "{case}");
            }
            Ok(Decoded::Chunk(part)) => panic!("{case}: a piece: {part:?}"),
            Err(error) => assert_eq!(case["refused"], error.reason.label(), "{case}: {error}"),
        }
    }
}

#[test]
fn work_is_equal_when_python_says_so_and_equal_work_has_equal_fingerprints() {
    let message = |key: &str, text: &str| {
        let body = format!(r#"{{"task": "a.b", "{key}": {text}}}"#);
        match decode(body) {
            Ok(Decoded::Task(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    };
    for case in cases(include_str!("vectors/equal.json")) {
        let (one, other) = (case["one"].as_str().expect("one"), case["other"].as_str().expect("other"));
        let equal = case["equal"] == true;
        assert_eq!(same_json(one, other), equal, "{case}");
        assert_eq!(same_json(other, one), equal, "{case}");
        let (one, other) = (message("args", one), message("args", other));
        assert_eq!(one.same_work(&other), equal, "{case}");
        if equal {
            assert_eq!(one.fingerprint(), other.fingerprint(), "{case}");
        }
    }
    let (absent, empty) = (message("x", "1"), message("args", "[]"));
    assert!(!absent.same_work(&empty), "an absent list is not an empty one");
}

#[test]
fn a_worker_gets_the_message_with_uuid_and_channel_put_last() {
    for (payload, expected) in [
        (
            r#"{"task": "a.b", "args": [NaN]}"#,
            r#"{"task": "a.b", "args": [NaN], "uuid": "u", "channel": "c"}"#,
        ),
        (r#"{"task": "a.b", "uuid": "u"} "#, r#"{"task": "a.b", "uuid": "u", "channel": "c"}"#),
    ] {
        let Ok(Decoded::Task(message)) = decode(payload.to_owned()) else { panic!("{payload}") };
        let mut out = Vec::new();
        message.write_with("u", "c", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

#[test]
fn a_message_stays_small_beside_its_text() {
    assert!(size_of::<TaskMessage>() <= 120, "{} bytes", size_of::<TaskMessage>());
}

//! Messages as Python publishes them, written by Rust: equal letter for letter.

use std::fs;
use std::path::Path;
use std::time::Duration;

use dispatcher_protocol::{Decoded, Draft, DraftOptions, OnDuplicate, decode, to_json};
use serde_json::Value;

fn options(of: &Value) -> DraftOptions {
    let time = |key: &str| of[key].as_f64().map(Duration::from_secs_f64);
    let rules = [OnDuplicate::Parallel, OnDuplicate::Discard, OnDuplicate::Serial, OnDuplicate::QueueOne];
    let rule = of["on_duplicate"].as_str();
    DraftOptions {
        timeout: time("timeout"),
        delay: time("delay"),
        on_duplicate: rules.into_iter().find(|known| Some(known.name()) == rule),
    }
}

#[test]
fn every_golden_message_is_written_as_python_writes_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/published.json");
    let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    for case in &cases {
        let json = |key: &str| case.get(key).map_or_else(String::new, |value| to_json(value).unwrap());
        let draft = Draft {
            task: case["task"].as_str().unwrap(),
            time_pub: case["time_pub"].as_f64().unwrap(),
            uuid: case["uuid"].as_str().unwrap(),
            args: &json("args"),
            kwargs: &json("kwargs"),
            task_options: options(&case["task_options"]),
            options: options(&case["options"]),
        };
        assert_eq!(draft.write(), case["message"].as_str().unwrap(), "{}", case["name"]);
        let Ok(Decoded::Task(read)) = decode(draft.write()) else { panic!("{}", case["name"]) };
        assert_eq!((read.task(), read.uuid()), (draft.task, Some(draft.uuid)));
    }
}

#[test]
fn empty_arguments_and_zero_times_are_left_out() {
    let zero = DraftOptions { timeout: Some(Duration::ZERO), delay: None, on_duplicate: None };
    let draft = Draft {
        task: "a.b",
        time_pub: 1.0,
        uuid: "u",
        args: "[]",
        kwargs: "{}",
        task_options: DraftOptions::default(),
        options: zero,
    };
    assert_eq!(draft.write(), r#"{"task": "a.b", "time_pub": 1.0, "uuid": "u"}"#);
}

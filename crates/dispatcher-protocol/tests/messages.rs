//! What a payload is read as, rule by rule. `vectors.rs` holds the same rules as data for other languages.

use std::time::Duration;

use dispatcher_protocol::{
    Decoded, MAX_DEPTH, MAX_KEYS, MAX_MESSAGE, OnDuplicate, Reason, TaskMessage, check_name, decode,
};
use serde_json::{Value, json};

fn task(payload: &str) -> TaskMessage {
    match decode(payload.to_owned()) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{payload} is no task but {other:?}"),
    }
}

fn refusal(payload: &str) -> Reason {
    decode(payload.to_owned()).map_err(|error| error.reason).expect_err(payload)
}

/// The message as its worker gets it.
fn handed_out(message: &TaskMessage, uuid: &str, channel: &str) -> String {
    let mut out = Vec::new();
    message.write_with(uuid, channel, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_task_message_is_small_enough_to_queue_by_the_million() {
    assert!(size_of::<TaskMessage>() <= 120, "{} bytes", size_of::<TaskMessage>());
}

#[test]
fn arguments_stay_the_text_they_came_as() {
    let text = r#"{"task": "a.b", "args": [1.50, "\u00fc", NaN ], "kwargs": {"k" :1e5}}"#;
    let message = task(text);
    assert_eq!(message.body(), text);
    assert_eq!(message.args(), Some(r#"[1.50, "\u00fc", NaN ]"#));
    assert_eq!(message.kwargs(), Some(r#"{"k" :1e5}"#));
}

#[test]
fn a_body_has_no_raw_line_ends_and_no_blanks_around_it() {
    let message = task("\r\n{\n\t\"task\": \"a.b\",\r\n\"args\": [\n1\n]\n}\n ");
    assert_eq!(message.body(), "{ \t\"task\": \"a.b\",  \"args\": [ 1 ] }");
    assert_eq!((message.task(), message.args()), ("a.b", Some("[ 1 ]")));
}

#[test]
fn a_line_end_written_as_an_escape_stays_one() {
    let text = r#"{"task": "a.b", "args": ["\n\r"]}"#;
    assert_eq!(task(text).body(), text);
}

#[test]
fn text_that_is_no_json_is_whole_and_untrimmed_the_name_of_a_task() {
    let message = task(" tasks.basic.record ");
    assert_eq!(message.task(), " tasks.basic.record ");
    assert_eq!(message.body(), r#"{"task": " tasks.basic.record "}"#);
    assert!(message.uuid().is_none() && message.args().is_none() && message.kwargs().is_none());
}

#[test]
fn a_name_with_quotes_and_control_characters_makes_a_valid_body() {
    let name = "say \"\\\u{1}\n\u{7f}ü🔥";
    let message = TaskMessage::from_name(name).unwrap();
    assert_eq!(message.task(), name);
    assert_eq!(serde_json::from_str::<Value>(message.body()).unwrap(), json!({"task": name}));
    assert!(!message.body().contains('\n'));
}

#[test]
fn a_name_that_is_json_can_still_be_made_a_task() {
    assert_eq!(TaskMessage::from_name("42").unwrap().task(), "42");
}

#[test]
fn an_empty_name_is_refused() {
    assert_eq!(TaskMessage::from_name("").unwrap_err().reason, Reason::BadTask);
}

#[test]
fn the_worker_gets_uuid_and_channel_as_the_last_keys() {
    let message = task(r#"{"uuid": null, "channel": "theirs", "task": "a.b"}"#);
    let text = handed_out(&message, "internal-0", "ours");
    assert_eq!(
        text,
        r#"{"uuid": null, "channel": "theirs", "task": "a.b", "uuid": "internal-0", "channel": "ours"}"#
    );
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read, json!({"task": "a.b", "uuid": "internal-0", "channel": "ours"}));
}

#[test]
fn a_uuid_that_the_message_has_already_is_not_written_twice() {
    let message = task(r#"{"task": "a.b", "uuid": "u"}"#);
    assert_eq!(handed_out(&message, "u", "c"), r#"{"task": "a.b", "uuid": "u", "channel": "c"}"#);
}

#[test]
fn an_empty_uuid_is_as_good_as_none() {
    let message = task(r#"{"task": "a.b", "uuid": ""}"#);
    assert_eq!(message.uuid(), None);
    assert_eq!(handed_out(&message, "u", "c"), r#"{"task": "a.b", "uuid": "", "uuid": "u", "channel": "c"}"#);
}

#[test]
fn a_task_without_a_channel_gets_none() {
    let message = task(r#"{"task": "a.b"}"#);
    assert_eq!(handed_out(&message, "u", ""), r#"{"task": "a.b", "uuid": "u"}"#);
}

#[test]
fn a_uuid_and_a_channel_of_any_text_are_escaped() {
    let message = task(r#"{"task": "a.b"}"#);
    let read: Value = serde_json::from_str(&handed_out(&message, "ü\"", "c\\\n")).unwrap();
    assert_eq!(read, json!({"task": "a.b", "uuid": "ü\"", "channel": "c\\\n"}));
}

#[test]
fn times_are_seconds_and_zero_and_null_are_none() {
    let times = |text: &str| {
        let message = task(&format!(r#"{{"task": "a.b", "timeout": {text}, "delay": {text}}}"#));
        assert_eq!(message.timeout(), message.delay());
        message.timeout()
    };
    assert_eq!(times("0.5"), Some(Duration::from_millis(500)));
    assert_eq!(times("31536000"), Some(Duration::from_secs(31_536_000)));
    assert_eq!(times("1e-300"), Some(Duration::from_micros(1)));
    assert_eq!((times("0"), times("-0.0"), times("null")), (None, None, None));
}

#[test]
fn an_unknown_duplicate_rule_runs_in_parallel_and_is_told() {
    let rule = |text: &str| {
        let message = task(&format!(r#"{{"task": "a.b", "on_duplicate": {text}}}"#));
        (message.on_duplicate(), message.unknown_on_duplicate())
    };
    assert_eq!(rule("\"serial\""), (OnDuplicate::Serial, false));
    assert_eq!(rule("\"Serial\""), (OnDuplicate::Parallel, true));
    assert_eq!(rule("7"), (OnDuplicate::Parallel, true));
    assert_eq!(rule("null"), (OnDuplicate::Parallel, false));
}

#[test]
fn the_deepest_nesting_and_the_most_keys_are_taken_and_one_more_is_refused() {
    let deep =
        |levels: usize| format!(r#"{{"task": "a.b", "args": {}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    task(&deep(MAX_DEPTH - 1));
    assert_eq!(refusal(&deep(MAX_DEPTH)), Reason::TooDeep);
    assert_eq!(refusal(&deep(3000)), Reason::TooDeep);
    let wide =
        |keys: usize| format!(r#"{{"task": "a.b", "kwargs": {{{}}}}}"#, vec!["\"k\": 1"; keys].join(","));
    task(&wide(MAX_KEYS - 2));
    assert_eq!(refusal(&wide(MAX_KEYS - 1)), Reason::TooManyKeys);
}

#[test]
fn the_longest_message_is_taken_and_one_byte_more_is_refused() {
    let long = |bytes: usize| format!(r#"{{"task": "a.b", "args": ["{}"]}}"#, "x".repeat(bytes - 29));
    assert_eq!(long(MAX_MESSAGE).len(), MAX_MESSAGE);
    task(&long(MAX_MESSAGE));
    assert_eq!(refusal(&long(MAX_MESSAGE + 1)), Reason::TooLong);
}

#[test]
fn a_refusal_says_what_and_where_and_nothing_of_the_text() {
    let error = decode("  {\"task\": \"secret.thing\", \"args\": 5}".to_owned()).unwrap_err();
    assert_eq!((error.reason, error.offset), (Reason::BadArgs, 35));
    assert_eq!(
        error.to_string(),
        "\"args\" must be a list or an object; leave it out when there are none (at byte 35)"
    );
    let error = decode("{\"task\": \"a.b\", \"args\": [\"\t\"]}".to_owned()).unwrap_err();
    assert_eq!(error.to_string(), "not valid JSON (at byte 26)");
}

#[test]
fn a_wrong_option_before_broken_json_is_broken_json() {
    assert_eq!(refusal(r#"{"task": 5, "args": 5"#), Reason::BadJson);
}

/// The senseless messages of the conformance suite, which any service must survive. Those without a reason are
/// read as tasks, whose names the gate or the worker then refuses.
#[test]
fn every_hostile_payload_is_refused_for_its_reason_or_is_a_task_by_name() {
    let very_long = "x".repeat(7000);
    let emoji = "🔥".repeat(500);
    for (payload, reason) in [
        ("", Some(Reason::BadTask)),
        ("   ", None),
        (r#"{"task": "tasks.basic.record""#, Some(Reason::BadJson)),
        (r#"{"task": "x.y"} {"task": "x.y"}"#, Some(Reason::BadJson)),
        ("{'task': 'tasks.basic.record'}", Some(Reason::BadJson)),
        ("null", Some(Reason::NotAnObject)),
        ("true", Some(Reason::NotAnObject)),
        ("42", Some(Reason::NotAnObject)),
        ("\"tasks.basic.nothing\"", Some(Reason::NotAnObject)),
        ("[\"tasks.basic.record\"]", Some(Reason::NotAnObject)),
        ("[]", Some(Reason::NotAnObject)),
        ("\x01\x02\x7f", None),
        ("\u{feff}{\"task\": \"tasks.basic.record\"}", None),
        (r#"{"task": "tasks.basic.record", "args": ["\x41"]}"#, Some(Reason::BadJson)),
        ("'; DROP TABLE x; --", None),
        ("%s %d %(a)s", None),
        (&very_long, None),
        (&emoji, None),
        (r#"{"task": 5"#, Some(Reason::BadJson)),
        (r#"{"task": ["tasks.basic.record"]}"#, Some(Reason::BadTask)),
        (r#"{"task": {"a": 1}}"#, Some(Reason::BadTask)),
        (r#"{"task": ""}"#, Some(Reason::BadTask)),
        (r#"{"task": "record"}"#, None),
        (r#"{"task": "tasks.basic.rec\u0000ord"}"#, None),
        (r#"{"task": "tasks.basic .record"}"#, None),
        (r#"{"task": "t\u00e4sks.\u00fc.\ud83d\udd25"}"#, None),
        (r#"{"task": "lambda: ("}"#, None),
        (r#"{"__dispatcherd_chunk__": "v1"}"#, Some(Reason::BadChunk)),
    ] {
        match (decode(payload.to_owned()), reason) {
            (Err(error), Some(reason)) => assert_eq!(error.reason, reason, "{payload}"),
            (Ok(Decoded::Task(message)), None) => {
                assert!(check_name(message.task()).is_err(), "{payload} would pass the gate");
            }
            (read, _) => panic!("{payload} is read as {read:?}"),
        }
    }
}

#[test]
fn brackets_that_never_end_are_refused_at_once() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        assert_eq!(refusal(&open.repeat(7000)), Reason::TooDeep);
    }
}

#[test]
fn a_control_request_keeps_the_order_of_its_data() {
    match decode(r#"{"control": "cancel", "control_data": {"b": 1, "a": {"d": [], "c": null}}}"#.to_owned()) {
        Ok(Decoded::Control(request)) => {
            let keys: Vec<&String> = request.data.keys().collect();
            assert_eq!(keys, ["b", "a"]);
            assert_eq!(request.data["a"].to_string(), r#"{"d":[],"c":null}"#);
        }
        other => panic!("{other:?}"),
    }
}

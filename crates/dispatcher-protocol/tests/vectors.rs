//! Runs the golden messages that other languages read too; `vectors/README.md` describes them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use dispatcher_protocol::{
    Assembled, Assembler, ChunkPart, Decoded, FrameError, FrameReader, MAX_FRAME, OnDuplicate, Outcome,
    TaskMessage, WorkerFrame, decode, same_json, split,
};
use serde_json::{Value, json};

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).expect("the vectors")).expect("strict JSON")
}

fn seconds(duration: Option<Duration>) -> Value {
    json!(duration.map(|duration| duration.as_secs_f64()))
}

/// A part of a message as the vectors have it.
fn part(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).expect("strict JSON"))
}

fn rule(rule: OnDuplicate) -> &'static str {
    match rule {
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
    assert_eq!(case["on_duplicate"].as_str().unwrap_or("parallel"), rule(message.on_duplicate()), "{case}");
    assert_eq!(case["unknown_on_duplicate"] == true, message.unknown_on_duplicate(), "{case}");
    match case["raw"].as_str() {
        Some(raw) => assert_eq!(message.args(), Some(raw), "{case}"),
        None => assert_eq!(case["args"], part(message.args()), "{case}"),
    }
    assert_eq!(case["kwargs"], part(message.kwargs()), "{case}");
    assert!(!message.body().contains(['\n', '\r']), "{case}");
}

#[test]
fn every_golden_message_is_read_as_written_down() {
    for case in cases("messages.json") {
        match decode(case["payload"].as_str().unwrap().to_owned()) {
            Ok(Decoded::Task(message)) => check_task(&case, &message),
            Ok(Decoded::Control(request)) => {
                assert_eq!(case["control"], request.command, "{case}");
                assert_eq!(case["data"], Value::Object(request.data), "{case}");
                assert_eq!(case["reply_to"].as_str(), request.reply_to.as_deref(), "{case}");
                let delay = (!request.delay.is_zero()).then_some(request.delay);
                assert_eq!(case["delay"], seconds(delay), "{case}");
            }
            Ok(Decoded::Chunk(part)) => {
                let ChunkPart { message_id, index, total, payload } = part;
                let read =
                    json!({"message_id": message_id, "index": index, "total": total, "payload": payload});
                assert_eq!(case["chunk"], read, "{case}");
            }
            Err(error) => assert_eq!(case["refused"], error.reason.label(), "{case}: {error}"),
        }
    }
}

#[test]
fn golden_values_are_equal_or_not_in_both_directions() {
    let message = |key: &str, text: &Value| {
        let body = format!(r#"{{"task": "a.b", "{key}": {}}}"#, text.as_str().unwrap());
        match decode(body) {
            Ok(Decoded::Task(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    };
    for case in cases("equal.json") {
        let equal = case["equal"] == true;
        let (one, other) = (case["one"].as_str().unwrap(), case["other"].as_str().unwrap());
        assert_eq!((same_json(one, other), same_json(other, one)), (equal, equal), "{case}");
        let (one, other) = (message("args", &case["one"]), message("args", &case["other"]));
        assert_eq!((one.same_work(&other), other.same_work(&one)), (equal, equal), "{case}");
        assert_eq!(one.fingerprint() == other.fingerprint(), equal, "{case}");
        assert!(one.same_work(&one) && other.same_work(&other), "{case}");
    }
}

#[test]
fn golden_messages_are_cut_and_put_together_as_written_down() {
    for case in cases("chunks.json") {
        let message = case["message"].as_str().unwrap();
        let limit = case["limit"].as_u64().unwrap() as usize;
        let envelopes = split(message, limit, case["message_id"].as_str().unwrap());
        assert_eq!(json!(envelopes), case["envelopes"], "{}", case["name"]);
        assert!(envelopes.iter().all(|envelope| envelope.len() <= limit), "{}", case["name"]);
        let mut assembler = Assembler::new(Duration::from_secs(60));
        let mut whole = None;
        for envelope in envelopes.iter().rev() {
            if let Decoded::Chunk(part) = decode(envelope.clone()).unwrap() {
                whole = Some(assembler.add(part, Instant::now()));
            }
        }
        let expected = (envelopes.len() > 1).then(|| Assembled::Complete(message.to_owned()));
        assert_eq!(whole, expected, "{}", case["name"]);
    }
}

/// The frame in the shape of the vectors.
fn shown(frame: WorkerFrame) -> Value {
    match frame {
        WorkerFrame::Ready(ready) => {
            json!({"event": "ready", "protocol": ready.protocol, "slots": ready.slots,
            "ahead": ready.ahead, "tasks": ready.tasks})
        }
        WorkerFrame::Started { uuid } => json!({"event": "started", "uuid": uuid}),
        WorkerFrame::Done(done) => json!({"event": "done", "uuid": done.uuid,
            "outcome": match done.outcome {
                Outcome::Success => "success",
                Outcome::Failure => "failure",
                Outcome::Cancelled => "cancelled",
                Outcome::Refused => "refused",
            },
            "error": done.error.map(|error| {
                json!({"type": error.kind, "message": error.message, "trace": error.trace})
            }),
            "time_started": done.time_started, "time_finish": done.time_finish, "is_stopping": done.is_stopping}),
        WorkerFrame::Control { id, command, data } => {
            json!({"event": "control", "id": id, "command": command, "data": data})
        }
        WorkerFrame::Shutdown => json!({"event": "shutdown"}),
        WorkerFrame::Progress { uuid, progress } => json!({
            "event": "progress", "uuid": uuid, "percent": progress.percent, "text": progress.text, "data": progress.data,
        }),
        WorkerFrame::Unknown(name) => json!({"event": "unknown", "name": name}),
    }
}

#[test]
fn every_golden_frame_is_read_as_written_down() {
    for case in cases("frames.json") {
        let mut reader = FrameReader::new(MAX_FRAME);
        let line = format!("{}\n", case["line"].as_str().unwrap());
        reader.space(line.len()).extend_from_slice(line.as_bytes());
        match reader.next_frame() {
            Ok(frame) => assert_eq!(shown(frame.unwrap()), case["frame"], "{}", case["name"]),
            Err(FrameError::Unreadable { .. }) => assert_eq!(case["error"], "unreadable", "{}", case["name"]),
            Err(other) => panic!("{}: {other}", case["name"]),
        }
        assert_eq!(reader.next_frame(), Ok(None), "{}", case["name"]);
    }
}

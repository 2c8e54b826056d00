//! The worker's side of the channel: what a service says is read as it was written, and what a worker says is one line of
//! strict JSON that the service reads.

use std::time::Duration;

use dispatcher_protocol::{
    Decoded, Finished, FrameReader, MAX_FRAME, MAX_PROGRESS_DATA, MAX_PROGRESS_TEXT, MAX_RESULT, Outcome,
    Progress, Ready, RunHead, ServiceFrame, ServiceReader, TaskError, TaskMessage, WORKER_PROTOCOL,
    WorkerFrame, decode, follow_ups, write_cancel, write_control, write_done, write_progress, write_ready,
    write_reply, write_run, write_shutdown, write_stop,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn task(text: &str) -> TaskMessage {
    match decode(text.to_owned()) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn told(stream: &[u8]) -> Vec<ServiceFrame> {
    let mut reader = ServiceReader::new(MAX_FRAME);
    reader.space(stream.len()).extend_from_slice(stream);
    std::iter::from_fn(|| reader.next_frame().expect("frames")).collect()
}

fn heard(stream: &[u8]) -> Vec<WorkerFrame> {
    let mut reader = FrameReader::new(MAX_FRAME);
    reader.space(stream.len()).extend_from_slice(stream);
    std::iter::from_fn(|| reader.next_frame().expect("frames")).collect()
}

fn finished(result: Option<&str>) -> Finished<'_> {
    Finished {
        worker: 3,
        uuid: "u",
        outcome: Outcome::Success,
        time_started: Duration::from_millis(1500),
        time_finish: Duration::from_micros(2_500_001),
        result,
        error: None,
        is_stopping: false,
    }
}

/// The frame as any reader of strict JSON sees it.
fn line(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1), "one line");
    serde_json::from_slice(&out).expect("strict JSON")
}

#[test]
fn a_worker_reads_what_the_service_writes() {
    let message = task(
        r#"{"task": "a.b", "args": [NaN, "\ud800"], "kwargs": {"k": 1}, "uuid": "x", "callbacks": [{"task": "c"}, 5]}"#,
    );
    let mut stream = Vec::new();
    let head = RunHead { seq: 7, attempt: 2, trusted: true, uuid: "u\"1", channel: "ch" };
    write_run(&mut stream, head, &message);
    write_cancel(&mut stream, "u\"1", true);
    let data = json!({"a": 1}).as_object().unwrap().clone();
    write_reply(&mut stream, 9, &data);
    write_stop(&mut stream);
    stream.extend_from_slice(b"{\"event\":\"of a later version\"}\n");
    let frames = told(&stream);
    let ServiceFrame::Run(run) = &frames[0] else { panic!("{frames:?}") };
    assert_eq!((run.seq, run.attempt, run.trusted), (7, 2, true));
    let message = &run.message;
    assert_eq!((&*message.task, &*message.uuid, &*message.channel), ("a.b", "u\"1", "ch"));
    assert_eq!(message.args.as_deref(), Some(r#"[NaN, "\ud800"]"#));
    assert_eq!(message.kwargs.as_deref(), Some(r#"{"k": 1}"#));
    let follow = follow_ups(message.callbacks.as_deref().unwrap()).unwrap();
    assert_eq!(follow.len(), 2);
    assert_eq!(follow[0].as_ref().unwrap().task, "c");
    assert_eq!(follow[1], None);
    assert_eq!(frames[1], ServiceFrame::Cancel { uuid: "u\"1".to_owned(), again: true });
    assert_eq!(frames[2], ServiceFrame::Reply { id: 9, data });
    assert_eq!(frames[3..], [ServiceFrame::Stop, ServiceFrame::Unknown("of a later version".to_owned())]);
    assert_eq!(follow_ups("{}"), None);
    assert_eq!(follow_ups("[1"), None);
}

#[test]
fn the_setup_says_what_a_worker_needs_and_may_leave_out_what_it_likes() {
    let setup = br#"{"event":"setup","config":{"version":2},"log_level":"INFO","worker":{"task_policy":"prefix","task_prefixes":["a"],"slots":3}}
{"event":"setup","worker":{"slots":null}}
{"event":"setup"}
"#;
    let setups: Vec<_> = told(setup)
        .into_iter()
        .map(|frame| if let ServiceFrame::Setup(setup) = frame { *setup } else { panic!("{frame:?}") })
        .collect();
    assert_eq!((setups[0].slots, &*setups[0].task_policy), (Some(3), "prefix"));
    assert_eq!(setups[0].task_prefixes, ["a"]);
    assert_eq!(setups[0].config.as_deref(), Some("{\"version\":2}"));
    assert_eq!((setups[1].slots, &*setups[1].task_policy), (None, "registered"));
    assert_eq!(setups[1], setups[2]);
}

#[test]
fn the_service_reads_what_a_worker_writes() {
    let ready = Ready {
        protocol: WORKER_PROTOCOL,
        slots: 20,
        ahead: 0,
        tasks: vec!["a".to_owned(), "ü".to_owned()],
        stack_signals: vec![23],
    };
    let progress = Progress { percent: Some(12.5), text: Some("t".to_owned()), data: Some(json!([1])) };
    let error = TaskError { kind: "E".to_owned(), message: "m\n\"".to_owned(), trace: vec!["x".to_owned()] };
    let mut stream = Vec::new();
    write_ready(&mut stream, 3, 99, &ready);
    write_progress(&mut stream, 3, "ü", &progress);
    write_control(&mut stream, 3, 5, "alive", &json!({"a": 1}).as_object().unwrap().clone());
    let failed = Finished {
        outcome: Outcome::Failure,
        error: Some(&error),
        is_stopping: true,
        uuid: "q\"\u{1}",
        ..finished(None)
    };
    write_done(&mut stream, &failed);
    write_shutdown(&mut stream, 3);
    let frames = heard(&stream);
    assert_eq!(frames[0], WorkerFrame::Ready(ready));
    assert_eq!(frames[1], WorkerFrame::Progress { uuid: "ü".to_owned(), progress: Box::new(progress) });
    assert!(matches!(&frames[2], WorkerFrame::Control { id: 5, command, .. } if command == "alive"));
    let WorkerFrame::Done(done) = &frames[3] else { panic!("{frames:?}") };
    assert_eq!((&*done.uuid, done.outcome, done.is_stopping), ("q\"\u{1}", Outcome::Failure, true));
    assert_eq!(done.error.as_ref(), Some(&error));
    assert!((done.time_finish - 2.500_001).abs() < 1e-9 && (done.time_started - 1.5).abs() < 1e-9);
    assert_eq!(frames[4], WorkerFrame::Shutdown);
}

#[test]
fn a_result_that_cannot_be_sent_is_left_out_with_a_note() {
    let deep = "[".repeat(65) + &"]".repeat(65);
    let long = format!("\"{}\"", "x".repeat(MAX_RESULT));
    for (result, why) in
        [(deep.as_str(), "levels deep"), (&long, "limit"), ("NaN", "JSON"), ("{", "JSON"), ("", "JSON")]
    {
        let done = line(|out| write_done(out, &finished(Some(result))));
        assert_eq!((&done["result"], &done["outcome"]), (&Value::Null, &json!("success")));
        assert!(done["note"].as_str().unwrap().contains(why), "{result:.20}: {done}");
    }
    let fits = format!("\"{}\"", "x".repeat(MAX_RESULT - 2));
    assert_eq!(
        line(|out| write_done(out, &finished(Some(&fits))))["result"].as_str().map(str::len),
        Some(MAX_RESULT - 2)
    );
    assert_eq!(line(|out| write_done(out, &finished(Some("[1,\n 2]\r"))))["result"], json!([1, 2]));
}

#[test]
fn progress_is_kept_within_bounds_and_nonsense_is_left_out() {
    let one = |frame: &str| match heard(format!("{frame}\n").as_bytes()).pop() {
        Some(WorkerFrame::Progress { progress, .. }) => *progress,
        other => panic!("{other:?}"),
    };
    let long = format!(
        r#"{{"event":"progress","uuid":"u","text":"{}","percent":50}}"#,
        "ü".repeat(MAX_PROGRESS_TEXT)
    );
    assert_eq!(one(&long).text.unwrap().len(), MAX_PROGRESS_TEXT);
    let data = format!(r#"{{"event":"progress","uuid":"u","data":"{}"}}"#, "x".repeat(MAX_PROGRESS_DATA));
    assert_eq!(one(&data), Progress::default());
    for odd in [
        r#""percent":101"#,
        r#""percent":"50""#,
        r#""percent":NaN"#,
        r#""text":5"#,
        r#""data":NaN"#,
        r#""data":null"#,
    ] {
        assert_eq!(one(&format!(r#"{{"event":"progress","uuid":"u",{odd}}}"#)), Progress::default(), "{odd}");
    }
    let deep = format!(r#"{{"event":"progress","uuid":"u","data":{}1{}}}"#, "[".repeat(100), "]".repeat(100));
    assert_eq!(one(&deep), Progress::default());
}

proptest! {
    #[test]
    fn any_stream_is_read_or_refused_wherever_it_is_cut(stream in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        let read = |parts: &[&[u8]]| {
            let mut reader = ServiceReader::new(200);
            let mut frames = Vec::new();
            for part in parts {
                reader.space(part.len()).extend_from_slice(part);
                loop {
                    match reader.next_frame() {
                        Ok(Some(frame)) => frames.push(frame),
                        Ok(None) => break,
                        Err(error) => return (frames, Some(error)),
                    }
                }
            }
            (frames, None)
        };
        let cut = cut.min(stream.len());
        prop_assert_eq!(read(&[&stream[..cut], &stream[cut..]]), read(&[&stream]));
    }

    #[test]
    fn what_a_worker_says_of_any_text_is_strict_json(uuid in any::<String>(), message in any::<String>(), result in any::<String>()) {
        let error = TaskError { kind: message.clone(), message, trace: vec![uuid.clone()] };
        let done = Finished { uuid: &uuid, error: Some(&error), ..finished(Some(&result)) };
        prop_assert_eq!(&line(|out| write_done(out, &done))["uuid"], &json!(uuid));
    }
}

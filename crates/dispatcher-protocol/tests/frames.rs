//! The frames between service and worker: cut anywhere, bounded, and written so that a worker reads them.

use dispatcher_protocol::{
    Decoded, FrameError, FrameReader, MAX_FRAME, RunHead, TaskMessage, WorkerFrame, decode, write_cancel,
    write_reply, write_run, write_stop,
};
use serde_json::{Value, json};

fn feed(reader: &mut FrameReader, bytes: &[u8]) {
    reader.space(bytes.len()).extend_from_slice(bytes);
}

fn all(reader: &mut FrameReader) -> Result<Vec<WorkerFrame>, FrameError> {
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(frame);
    }
    Ok(frames)
}

const STREAM: &str = concat!(
    "{\"event\":\"ready\",\"worker\":0,\"protocol\":1,\"pid\":1,\"slots\":2,\"ahead\":8,\"tasks\":[\"a.ü\"]}\n",
    "\n \r\n",
    "{\"event\":\"started\",\"uuid\":\"\\ud83d\\ude00\"}\n",
    "{\"event\":\"done\",\"uuid\":\"u\",\"outcome\":\"failure\",\"error\":{\"type\":\"E\",\"message\":\"🔥\"}}\r\n",
    "{\"event\":\"control\",\"id\":1,\"command\":\"alive\"}\n{\"event\":\"shutdown\"}\n",
);

#[test]
fn frames_cut_at_every_byte_are_read_as_if_they_came_whole() {
    let mut reader = FrameReader::new(MAX_FRAME);
    feed(&mut reader, STREAM.as_bytes());
    let whole = all(&mut reader).unwrap();
    assert_eq!(whole.len(), 5);
    for cut in 0..=STREAM.len() {
        let mut reader = FrameReader::new(MAX_FRAME);
        let mut frames = Vec::new();
        for part in [&STREAM.as_bytes()[..cut], &STREAM.as_bytes()[cut..]] {
            feed(&mut reader, part);
            frames.extend(all(&mut reader).unwrap());
        }
        assert_eq!(frames, whole, "cut at {cut}");
        assert_eq!(reader.finish(), Ok(()));
    }
}

#[test]
fn frames_that_come_byte_by_byte_are_read_as_if_they_came_whole() {
    let mut reader = FrameReader::new(MAX_FRAME);
    let mut count = 0;
    for byte in STREAM.as_bytes() {
        feed(&mut reader, &[*byte]);
        count += all(&mut reader).unwrap().len();
    }
    assert_eq!(count, 5);
}

#[test]
fn a_frame_of_the_limit_is_taken_and_one_byte_more_is_an_error() {
    let line = |length: usize| {
        let frame = r#"{"event":"shutdown","filler":""#;
        format!("{frame}{}\"}}\n", "x".repeat(length - frame.len() - 2))
    };
    let mut reader = FrameReader::new(100);
    feed(&mut reader, line(100).as_bytes());
    assert_eq!(reader.next_frame(), Ok(Some(WorkerFrame::Shutdown)));
    feed(&mut reader, line(101).as_bytes());
    assert_eq!(reader.next_frame(), Err(FrameError::TooLong { limit: 100 }));
}

#[test]
fn an_endless_line_is_an_error_before_it_takes_more_than_the_limit_and_one_read() {
    let (limit, read) = (300_000, 4096);
    let mut reader = FrameReader::new(limit);
    let mut sent = 0;
    loop {
        let space = reader.space(read);
        assert!(space.capacity() - space.len() >= read);
        assert!(space.capacity() <= limit + 1 + read, "{} bytes held", space.capacity());
        space.extend_from_slice(&vec![b'x'; read]);
        sent += read;
        match reader.next_frame() {
            Ok(None) => assert!(sent <= limit),
            other => {
                assert_eq!(other, Err(FrameError::TooLong { limit }));
                break;
            }
        }
    }
    assert!(sent > limit && sent <= limit + read);
}

#[test]
fn the_memory_of_a_long_frame_is_given_back() {
    let mut reader = FrameReader::new(MAX_FRAME);
    let long = format!("{{\"event\":\"shutdown\",\"filler\":\"{}\"}}\n", "x".repeat(5_000_000));
    for part in long.as_bytes().chunks(65536) {
        feed(&mut reader, part);
        reader.next_frame().unwrap();
    }
    assert!(reader.space(4096).capacity() <= 65536);
}

#[test]
fn half_a_frame_at_the_end_is_an_error_that_says_how_much_came() {
    let mut reader = FrameReader::new(MAX_FRAME);
    feed(&mut reader, b"{\"event\":\"shutdown\"}\n{\"ev");
    assert_eq!(all(&mut reader).unwrap(), [WorkerFrame::Shutdown]);
    assert_eq!(reader.finish(), Err(FrameError::HalfFrame { bytes: 4 }));
}

#[test]
fn bytes_that_are_no_utf8_are_an_error() {
    let mut reader = FrameReader::new(MAX_FRAME);
    feed(&mut reader, b"{\"event\":\"\xff\"}\n");
    assert_eq!(reader.next_frame(), Err(FrameError::Unreadable { reason: "not UTF-8".to_owned() }));
}

#[test]
fn an_error_names_the_key_and_never_its_value() {
    let mut reader = FrameReader::new(MAX_FRAME);
    feed(&mut reader, b"{\"event\":\"done\",\"uuid\":\"secret\",\"outcome\":[\"secret\"]}\n");
    let error = reader.next_frame().unwrap_err().to_string();
    assert_eq!(error, "it sent a frame that cannot be read (outcome is no text)");
}

#[test]
fn the_name_of_an_unknown_event_is_cut() {
    let mut reader = FrameReader::new(MAX_FRAME);
    feed(&mut reader, format!("{{\"event\":\"{}\"}}\n", "ü".repeat(10_000)).as_bytes());
    assert_eq!(reader.next_frame(), Ok(Some(WorkerFrame::Unknown("ü".repeat(64)))));
}

fn task(payload: &str) -> TaskMessage {
    match decode(payload.to_owned()) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn line(out: Vec<u8>) -> Value {
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text.find('\n'), Some(text.len() - 1), "{text:?} is not one line");
    serde_json::from_str(&text).expect("strict JSON")
}

#[test]
fn a_run_frame_carries_the_message_its_ticket_and_its_attempt() {
    let mut out = Vec::new();
    let head = RunHead { seq: 7, attempt: 2, trusted: true, uuid: "u", channel: "c" };
    write_run(&mut out, head, &task("{\n\"task\": \"a.b\",\n\"args\": [1]\n}\n"));
    assert_eq!(
        line(out),
        json!({"event": "run", "seq": 7, "attempt": 2, "trusted": true,
            "message": {"task": "a.b", "args": [1], "uuid": "u", "channel": "c"}})
    );
}

#[test]
fn cancel_stop_and_reply_frames_are_lines_that_begin_with_their_event() {
    let mut out = Vec::new();
    write_cancel(&mut out, "a \"uuid\"\n", false);
    assert!(out.starts_with(b"{\"event\":\"cancel\""));
    assert_eq!(line(out), json!({"event": "cancel", "uuid": "a \"uuid\"\n"}));
    let mut out = Vec::new();
    write_cancel(&mut out, "a", true);
    assert_eq!(line(out), json!({"event": "cancel", "uuid": "a", "again": true}));
    let mut out = Vec::new();
    write_stop(&mut out);
    assert_eq!(line(out), json!({"event": "stop"}));
    let mut out = Vec::new();
    let data = json!({"b": "line\n", "a": [1]});
    write_reply(&mut out, 3, data.as_object().unwrap());
    assert!(out.starts_with(b"{\"event\":\"reply\""));
    assert_eq!(line(out), json!({"event": "reply", "id": 3, "data": data}));
}

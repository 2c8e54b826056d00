//! What a worker says, written: for workers that are written in Rust.
//!
//! A frame is always one line of strict JSON within the limits of the protocol. What does not fit is left out with a note,
//! and never makes a failure of a success.

use std::io::Write;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{MAX_ERROR_TEXT, MAX_RESULT, Outcome, Progress, Ready, TaskError};
use crate::error::Reason;
use crate::json::{Limits, MAX_DEPTH, check};
use crate::text;

/// The end of one task, as its worker tells it.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// The worker's number.
    pub worker: u32,
    /// The task.
    pub uuid: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// Since the epoch.
    pub time_started: Duration,
    /// Since the epoch.
    pub time_finish: Duration,
    /// What it returned, as JSON; none, if nothing.
    pub result: Option<&'a str>,
    /// With every outcome but success.
    pub error: Option<&'a TaskError>,
    /// The worker leaves and starts nothing more.
    pub is_stopping: bool,
}

/// Appends the frame that says that tasks can be taken.
pub fn write_ready(out: &mut Vec<u8>, worker: u32, pid: u32, ready: &Ready) {
    let Ready { protocol, slots, ahead, tasks, stack_signals } = ready;
    let frame = json!({
        "event": "ready",
        "worker": worker,
        "protocol": protocol,
        "pid": pid,
        "slots": slots,
        "ahead": ahead,
        "tasks": tasks,
        "stack_signals": stack_signals,
    });
    line(out, format_args!("{frame}"));
}

/// Appends the frame that says how a task has ended.
pub fn write_done(out: &mut Vec<u8>, done: &Finished<'_>) {
    out.extend_from_slice(b"{\"event\":\"done\",\"worker\":");
    put(out, format_args!("{}", done.worker));
    out.extend_from_slice(b",\"uuid\":");
    put_text(out, done.uuid);
    out.extend_from_slice(match done.outcome {
        Outcome::Success => b",\"outcome\":\"success\",\"time_started\":".as_slice(),
        Outcome::Failure => b",\"outcome\":\"failure\",\"time_started\":",
        Outcome::Cancelled => b",\"outcome\":\"cancelled\",\"time_started\":",
        Outcome::Refused => b",\"outcome\":\"refused\",\"time_started\":",
    });
    put_time(out, done.time_started);
    out.extend_from_slice(b",\"time_finish\":");
    put_time(out, done.time_finish);
    if let Some(result) = done.result {
        put_result(out, result);
    }
    if let Some(TaskError { kind, message, trace }) = done.error {
        let message: String = message.chars().take(MAX_ERROR_TEXT).collect();
        put(out, format_args!(",\"error\":{}", json!({"type": kind, "message": message, "trace": trace})));
    }
    out.extend_from_slice(if done.is_stopping { b",\"is_stopping\":true}\n" } else { b"}\n" });
}

/// Appends the frame in which a task says how far it has come.
pub fn write_progress(out: &mut Vec<u8>, worker: u32, uuid: &str, progress: &Progress) {
    let Progress { percent, text, data } = progress;
    let frame = json!({
        "event": "progress", "worker": worker, "uuid": uuid, "percent": percent, "text": text, "data": data,
    });
    line(out, format_args!("{frame}"));
}

/// Appends the frame in which a task asks its service something.
pub fn write_control(out: &mut Vec<u8>, worker: u32, id: u64, command: &str, data: &Map<String, Value>) {
    let frame =
        json!({"event": "control", "worker": worker, "id": id, "command": command, "control_data": data});
    line(out, format_args!("{frame}"));
}

/// Appends the last frame of an orderly exit.
pub fn write_shutdown(out: &mut Vec<u8>, worker: u32) {
    line(out, format_args!("{{\"event\":\"shutdown\",\"worker\":{worker}}}"));
}

/// The result, or why it is not there.
fn put_result(out: &mut Vec<u8>, result: &str) {
    let why = if result.len() > MAX_RESULT {
        format!("a result of {} bytes is not sent: the limit is {MAX_RESULT}", result.len())
    } else if check(result, Limits::deep(MAX_DEPTH)).is_err_and(|error| error.reason == Reason::TooDeep) {
        format!("a result that is more than {MAX_DEPTH} levels deep is not sent")
    } else if serde_json::from_str::<IgnoredAny>(result).is_err() {
        "a result that is no JSON is not sent".to_owned()
    } else {
        out.extend_from_slice(b",\"result\":");
        // Raw line ends stand only between values.
        out.extend(result.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        return;
    };
    out.extend_from_slice(b",\"result\":null,\"note\":");
    put_text(out, &why);
}

fn put_time(out: &mut Vec<u8>, since_epoch: Duration) {
    put(out, format_args!("{}.{:06}", since_epoch.as_secs(), since_epoch.subsec_micros()));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    let mut literal = String::with_capacity(text.len() + 2);
    text::write(text, &mut literal);
    out.extend_from_slice(literal.as_bytes());
}

fn line(out: &mut Vec<u8>, frame: std::fmt::Arguments<'_>) {
    put(out, frame);
    out.push(b'\n');
}

fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(what);
}

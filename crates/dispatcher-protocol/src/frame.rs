//! The frames between the service and a worker: one JSON object a line.
//!
//! What a worker writes is read as hostile: strict JSON, one result a task is checked elsewhere, a line longer
//! than the limit or half a line at the end is an error that ends that worker and nothing else. The reader
//! never holds more than the limit.

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::message::TaskMessage;
use crate::text;

/// The longest line, in bytes.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// The version of the worker protocol spoken here.
pub const WORKER_PROTOCOL: u32 = 1;

/// How a task ended, as its worker says.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It returned.
    Success,
    /// It raised.
    Failure,
    /// It gave way to a cancel.
    Cancelled,
    /// The worker would not run it: not registered, or not what a policy allows.
    Refused,
}

/// What went wrong in a task. Never its arguments.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct TaskError {
    /// The error's type.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Its text.
    #[serde(default)]
    pub message: String,
    /// The last frames of its traceback.
    #[serde(default)]
    pub trace: Vec<String>,
}

/// The end of one task.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Done {
    /// The task.
    pub uuid: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, when not well.
    #[serde(default)]
    pub error: Option<TaskError>,
    /// Seconds since the epoch.
    #[serde(default)]
    pub time_started: f64,
    /// Seconds since the epoch.
    #[serde(default)]
    pub time_finish: f64,
    /// The worker leaves after this task.
    #[serde(default)]
    pub is_stopping: bool,
}

/// A worker can be given tasks.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Ready {
    /// The protocol's version.
    #[serde(default = "one")]
    pub protocol: u32,
    /// How many tasks it runs at once.
    #[serde(default = "one_slot")]
    pub slots: u16,
    /// How many more it holds unstarted.
    #[serde(default)]
    pub ahead: u16,
    /// The tasks it knows by name.
    #[serde(default)]
    pub tasks: Vec<String>,
}

fn one() -> u32 {
    1
}

fn one_slot() -> u16 {
    1
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerFrame {
    /// It can be given tasks.
    Ready(Ready),
    /// A task has begun; only from workers with several slots.
    Started {
        /// The task.
        uuid: String,
    },
    /// A task has ended.
    Done(Done),
    /// A task asks its own service something.
    Control {
        /// Comes back with the reply.
        id: u64,
        /// What is asked.
        command: String,
        /// `control_data`.
        data: Map<String, Value>,
    },
    /// It is leaving.
    Shutdown,
    /// Something of a later version; ignored.
    Unknown(String),
}

/// The wire's own shape of [`WorkerFrame`].
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Wire {
    Ready(Ready),
    Started {
        uuid: String,
    },
    Done(Done),
    Control {
        id: u64,
        command: String,
        #[serde(default)]
        control_data: Option<Map<String, Value>>,
    },
    Shutdown,
}

/// Only the kind, for frames that [`Wire`] does not know.
#[derive(Deserialize)]
struct Kind {
    event: String,
}

/// Why a worker's channel is of no more use.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// A line went on past the limit.
    #[error("it sent a frame longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// A line is no frame.
    #[error("it sent a frame that cannot be read ({reason})")]
    Unreadable {
        /// Where and why, without the text.
        reason: String,
    },
    /// The channel ended within a line.
    #[error("its channel ended in the middle of a frame ({bytes} bytes of it came)")]
    HalfFrame {
        /// How much of it came.
        bytes: usize,
    },
}

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no line end.
    searched: usize,
    limit: usize,
}

impl FrameReader {
    /// `limit`: the longest line taken, in bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, limit }
    }

    /// Where to put what is read next; has room for `wanted` more bytes.
    pub fn space(&mut self, wanted: usize) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.reserve(wanted);
        &mut self.buffer
    }

    /// The next whole frame; none until more bytes come.
    pub fn next_frame(&mut self) -> Result<Option<WorkerFrame>, FrameError> {
        loop {
            let Some(length) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                let pending = self.searched - self.start;
                return if pending > self.limit {
                    Err(FrameError::TooLong { limit: self.limit })
                } else {
                    Ok(None)
                };
            };
            let end = self.searched + length;
            let line = &self.buffer[self.start..end];
            if line.len() > self.limit {
                return Err(FrameError::TooLong { limit: self.limit });
            }
            let frame = if line.trim_ascii().is_empty() { None } else { Some(read(line)?) };
            self.start = end + 1;
            self.searched = self.start;
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    /// The channel has ended: nothing may be left.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.buffer.len() - self.start {
            0 => Ok(()),
            bytes => Err(FrameError::HalfFrame { bytes }),
        }
    }
}

fn read(line: &[u8]) -> Result<WorkerFrame, FrameError> {
    match serde_json::from_slice(line) {
        Ok(Wire::Ready(ready)) => Ok(WorkerFrame::Ready(ready)),
        Ok(Wire::Started { uuid }) => Ok(WorkerFrame::Started { uuid }),
        Ok(Wire::Done(done)) => Ok(WorkerFrame::Done(done)),
        Ok(Wire::Control { id, command, control_data }) => {
            Ok(WorkerFrame::Control { id, command, data: control_data.unwrap_or_default() })
        }
        Ok(Wire::Shutdown) => Ok(WorkerFrame::Shutdown),
        Err(error) => match serde_json::from_slice(line) {
            Ok(Kind { event }) if !known(&event) => Ok(WorkerFrame::Unknown(event)),
            _ => {
                let reason = format!("{:?} error at byte {}", error.classify(), error.column());
                Err(FrameError::Unreadable { reason })
            }
        },
    }
}

fn known(event: &str) -> bool {
    matches!(event, "ready" | "started" | "done" | "control" | "shutdown")
}

/// What a run frame says beside its message.
#[derive(Clone, Copy, Debug)]
pub struct RunHead<'a> {
    /// The frame's ticket.
    pub seq: u64,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The task comes from the configuration: no policy applies to its name.
    pub trusted: bool,
    /// The task's uuid.
    pub uuid: &'a str,
    /// The channel it came by.
    pub channel: &'a str,
}

/// Appends a frame that hands out a task.
pub fn write_run(out: &mut Vec<u8>, head: RunHead<'_>, message: &TaskMessage) {
    let RunHead { seq, attempt, trusted, uuid, channel } = head;
    let line = format!(r#"{{"event":"run","seq":{seq},"attempt":{attempt},"trusted":{trusted},"message":"#);
    out.reserve(line.len() + message.body().len() + uuid.len() + channel.len() + 40);
    out.extend_from_slice(line.as_bytes());
    message.write_with(uuid, channel, out);
    out.extend_from_slice(b"}\n");
}

/// Appends a frame that cancels one task.
pub fn write_cancel(out: &mut Vec<u8>, uuid: &str) {
    let mut line = String::from(r#"{"event":"cancel","uuid":"#);
    text::write(uuid, &mut line);
    line.push_str("}\n");
    out.extend_from_slice(line.as_bytes());
}

/// Appends a frame that tells a worker to leave when it is idle.
pub fn write_stop(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"event\":\"stop\"}\n");
}

/// Appends the answer to a control request of a worker's task.
pub fn write_reply(out: &mut Vec<u8>, id: u64, data: &Map<String, Value>) {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    out.extend_from_slice(format!("{{\"event\":\"reply\",\"id\":{id},\"data\":{data}}}\n").as_bytes());
}

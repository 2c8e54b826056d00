//! The frames between the service and a worker: one JSON object a line.
//!
//! What a worker writes is read as hostile: a frame of a known kind that makes no sense, a line longer than the
//! limit or half a line at the end is an error that ends that worker and nothing else. Here are the frames of a worker and
//! the writers of the service's; `parse` reads a worker's line, `orders` a service's, `answers` writes what a worker says,
//! `reader` and `lines` cut the streams.

mod lines;
mod parse;
mod orders;
mod reader;
mod answers;

pub use answers::{Finished, write_control, write_done, write_progress, write_ready, write_shutdown};
pub use orders::{RunFrame, RunMessage, ServiceFrame, Setup, follow_ups};
pub use reader::{FrameReader, ServiceReader};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::message::TaskMessage;
use crate::text;

/// The longest line, in bytes.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// The version of the worker protocol spoken here.
pub const WORKER_PROTOCOL: u32 = 1;

/// The longest result that a worker sends, in bytes of JSON.
pub const MAX_RESULT: usize = 1024 * 1024;

/// The longest error text that a worker sends, in characters.
pub const MAX_ERROR_TEXT: usize = 4000;

/// The longest text of a task's progress, in bytes.
pub const MAX_PROGRESS_TEXT: usize = 1024;

/// The longest data of a task's progress, in bytes of JSON.
pub const MAX_PROGRESS_DATA: usize = 16 * 1024;

/// How a task ended, as its worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskError {
    /// The error's type.
    pub kind: String,
    /// Its text.
    pub message: String,
    /// The last frames of its traceback.
    pub trace: Vec<String>,
}

/// The end of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The task.
    pub uuid: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, when not well.
    pub error: Option<TaskError>,
    /// Seconds since the epoch.
    pub time_started: f64,
    /// Seconds since the epoch.
    pub time_finish: f64,
    /// The worker leaves after this task.
    pub is_stopping: bool,
}

/// How far a task has come, as it says itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// From 0 to 100.
    pub percent: Option<f64>,
    /// For people.
    pub text: Option<String>,
    /// For programs.
    pub data: Option<Value>,
}

/// A worker can be given tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The protocol's version.
    pub protocol: u32,
    /// How many tasks it runs at once.
    pub slots: u16,
    /// How many more it holds unstarted.
    pub ahead: u16,
    /// The tasks it knows by name.
    pub tasks: Vec<String>,
    /// The signals on which it writes its stack into the pipe that it was given for that, to be tried in this order.
    pub stack_signals: Vec<i32>,
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
    /// A running task says how far it has come.
    Progress {
        /// The task.
        uuid: String,
        /// Within the bounds of [`MAX_PROGRESS_TEXT`] and [`MAX_PROGRESS_DATA`].
        progress: Box<Progress>,
    },
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

/// Appends a frame that cancels one task; `again`, if it only repeats one.
pub fn write_cancel(out: &mut Vec<u8>, uuid: &str, again: bool) {
    let mut line = String::from(r#"{"event":"cancel","uuid":"#);
    text::write(uuid, &mut line);
    line.push_str(if again { ",\"again\":true}\n" } else { "}\n" });
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

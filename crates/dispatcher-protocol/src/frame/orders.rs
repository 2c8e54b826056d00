//! What a service tells its worker: one line as a frame, for workers that are written in Rust.
//!
//! The service is no stranger, but the text of a message is a publisher's: it is read as Python writes it, and its
//! arguments stay text. Keys that are not known are passed over, `null` is as good as absent.

use serde_json::{Map, Value as Json};

use super::FrameError;
use super::parse::{NAME_SHOWN, flag, integer, text, texts, unreadable};
use crate::json::{Kind, Limits, Scanner, Token, Value, each_field};
use crate::value;

/// What a service says to one of its workers.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceFrame {
    /// The first frame: what holds for all tasks.
    Setup(Box<Setup>),
    /// A task to run.
    Run(Box<RunFrame>),
    /// One task is to give way.
    Cancel {
        /// The task.
        uuid: String,
        /// Only if no cancel has got through to it before.
        again: bool,
    },
    /// Leave when idle.
    Stop,
    /// The answer to a control request.
    Reply {
        /// The request's number.
        id: u64,
        /// What the service says.
        data: Map<String, Json>,
    },
    /// Something of a later version; to be ignored.
    Unknown(String),
}

/// What holds for all tasks of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The whole configuration as JSON; may hold secrets.
    pub config: Option<String>,
    /// A level of Python's logging.
    pub log_level: Option<String>,
    /// `text` or `json`.
    pub log_format: Option<String>,
    /// What a task that is not trusted may name: `registered`, `prefix` or `any`.
    pub task_policy: String,
    /// For `prefix`.
    pub task_prefixes: Vec<String>,
    /// How many tasks it is to run at once; none leaves that to the worker.
    pub slots: Option<u16>,
}

/// A task, and how it is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFrame {
    /// The frame's number for this worker.
    pub seq: u64,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// It comes from the configuration: no task policy applies.
    pub trusted: bool,
    /// The task.
    pub message: RunMessage,
}

/// What of a message matters to whoever runs it. Arguments are JSON as their publisher wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunMessage {
    /// The task's name.
    pub task: String,
    /// Empty only in a message that follows another one.
    pub uuid: String,
    /// Empty for what the service itself starts.
    pub channel: String,
    /// A list, or an object whose keys are passed.
    pub args: Option<String>,
    /// An object.
    pub kwargs: Option<String>,
    /// Messages that follow this one unless it is cancelled, as JSON; see [`follow_ups`].
    pub callbacks: Option<String>,
    /// Messages that follow this one if it fails, as JSON.
    pub errbacks: Option<String>,
}

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Result<ServiceFrame, FrameError> {
    let Ok(line) = std::str::from_utf8(line) else { return Err(unreadable("not UTF-8")) };
    let mut keys = Keys::default();
    fields(line, |key, value| keys.put(key, value))?;
    match &*text("event", keys.event, line)? {
        "run" => keys.run(line),
        "cancel" => Ok(ServiceFrame::Cancel {
            uuid: text("uuid", keys.uuid, line)?.into_owned(),
            again: flag("again", keys.again, line)?,
        }),
        "stop" => Ok(ServiceFrame::Stop),
        "reply" => Ok(ServiceFrame::Reply {
            id: integer("id", keys.id, line)?.ok_or_else(|| unreadable("id is missing"))?,
            data: match keys.data {
                Some(data) if data.kind == Kind::Object => value::object(data.of(line)).nearest(),
                _ => return Err(unreadable("data is no object")),
            },
        }),
        "setup" => keys.setup(line),
        other => Ok(ServiceFrame::Unknown(other.chars().take(NAME_SHOWN).collect())),
    }
}

/// The messages under `callbacks` or `errbacks`; none in the list stands for an entry that is no task message.
///
/// Nothing at all means that the text is no list.
pub fn follow_ups(list: &str) -> Option<Vec<Option<RunMessage>>> {
    let mut scanner = Scanner::new(list, Limits::LENGTH_ONLY);
    if scanner.token() != Ok(Token::Open(Kind::List)) {
        return None;
    }
    let mut found = Vec::new();
    loop {
        match scanner.skip() {
            Ok(Some(entry)) => found.push(match entry.kind {
                Kind::Object => message(entry.of(list)).ok(),
                _ => None,
            }),
            Ok(None) => return Some(found),
            Err(_) => return None,
        }
    }
}

/// Where the keys of any frame stand in the line.
#[derive(Default)]
struct Keys {
    event: Option<Value>,
    seq: Option<Value>,
    attempt: Option<Value>,
    trusted: Option<Value>,
    message: Option<Value>,
    uuid: Option<Value>,
    again: Option<Value>,
    id: Option<Value>,
    data: Option<Value>,
    config: Option<Value>,
    log_level: Option<Value>,
    log_format: Option<Value>,
    worker: Option<Value>,
}

impl Keys {
    fn put(&mut self, key: &[u8], value: Value) {
        let slot = match key {
            b"event" => &mut self.event,
            b"seq" => &mut self.seq,
            b"attempt" => &mut self.attempt,
            b"trusted" => &mut self.trusted,
            b"message" => &mut self.message,
            b"uuid" => &mut self.uuid,
            b"again" => &mut self.again,
            b"id" => &mut self.id,
            b"data" => &mut self.data,
            b"config" => &mut self.config,
            b"log_level" => &mut self.log_level,
            b"log_format" => &mut self.log_format,
            b"worker" => &mut self.worker,
            _ => return,
        };
        *slot = present(value);
    }

    fn run(&self, line: &str) -> Result<ServiceFrame, FrameError> {
        let whole = self.message.ok_or_else(|| unreadable("message is missing"))?;
        let message = message(whole.of(line))?;
        if message.uuid.is_empty() {
            return Err(unreadable("the message has no uuid"));
        }
        Ok(ServiceFrame::Run(Box::new(RunFrame {
            seq: integer("seq", self.seq, line)?.unwrap_or(0),
            attempt: integer("attempt", self.attempt, line)?.unwrap_or(1),
            trusted: flag("trusted", self.trusted, line)?,
            message,
        })))
    }

    fn setup(&self, line: &str) -> Result<ServiceFrame, FrameError> {
        let optional = |name, value: Option<Value>| {
            value.map(|value| text(name, Some(value), line).map(std::borrow::Cow::into_owned)).transpose()
        };
        let mut setup = Setup {
            config: self.config.map(|config| config.of(line).to_owned()),
            log_level: optional("log_level", self.log_level)?,
            log_format: optional("log_format", self.log_format)?,
            task_policy: "registered".to_owned(),
            ..Setup::default()
        };
        let Some(worker) = self.worker else { return Ok(ServiceFrame::Setup(Box::new(setup))) };
        let worker = worker.of(line);
        let (mut policy, mut prefixes, mut slots) = (None, None, None);
        fields(worker, |key, value| match key {
            b"task_policy" => policy = present(value),
            b"task_prefixes" => prefixes = present(value),
            b"slots" => slots = present(value),
            _ => {}
        })?;
        if policy.is_some() {
            setup.task_policy = text("task_policy", policy, worker)?.into_owned();
        }
        setup.task_prefixes = texts("task_prefixes", prefixes, worker)?;
        setup.slots = integer("slots", slots, worker)?.filter(|slots| *slots > 0);
        Ok(ServiceFrame::Setup(Box::new(setup)))
    }
}

/// A message, or one that follows it.
fn message(json: &str) -> Result<RunMessage, FrameError> {
    let mut found = RunMessage::default();
    let mut task = None;
    let list_or_object = |value: Value| matches!(value.kind, Kind::List | Kind::Object);
    let own = |value: Value| Some(value.of(json).to_owned());
    fields(json, |key, value| match key {
        b"task" => task = present(value),
        b"uuid" if value.kind == Kind::Text => found.uuid = value.lossy(json),
        b"channel" if value.kind == Kind::Text => found.channel = value.lossy(json),
        b"args" => found.args = Some(value).filter(|value| list_or_object(*value)).and_then(own),
        b"kwargs" => found.kwargs = Some(value).filter(|value| value.kind == Kind::Object).and_then(own),
        b"callbacks" => found.callbacks = present(value).and_then(own),
        b"errbacks" => found.errbacks = present(value).and_then(own),
        _ => {}
    })?;
    found.task = text("task", task, json)?.into_owned();
    Ok(found)
}

fn present(value: Value) -> Option<Value> {
    Some(value).filter(|value| value.kind != Kind::Null)
}

fn fields(json: &str, field: impl FnMut(&[u8], Value)) -> Result<(), FrameError> {
    each_field(json, Limits::LENGTH_ONLY, field)
        .map_err(|error| unreadable(&format!("{} at byte {}", error.reason.label(), error.offset)))
}

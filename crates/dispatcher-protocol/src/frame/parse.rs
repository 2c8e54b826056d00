//! One line from a worker as a frame.
//!
//! Reads as Python writes: a NaN in a result or a lone surrogate in an error's text is no reason to end a worker.
//! Keys that are not known are passed over, `null` is as good as absent.

use std::borrow::Cow;
use std::str::FromStr;

use super::{
    Done, FrameError, MAX_PROGRESS_DATA, MAX_PROGRESS_TEXT, Outcome, Progress, Ready, TaskError, WorkerFrame,
};
use crate::json::{self, Kind, Limits, Scanner, Token, Value, each_field};
use crate::text::shorten;
use crate::value;

/// How much of an unknown event's name is kept, in characters.
pub(super) const NAME_SHOWN: usize = 64;

pub(super) fn parse(line: &[u8]) -> Result<WorkerFrame, FrameError> {
    let Ok(line) = std::str::from_utf8(line) else { return Err(unreadable("not UTF-8")) };
    let mut keys = Keys { line, ..Keys::default() };
    each_field(line, Limits::LENGTH_ONLY, |key, value| keys.put(key, value))
        .map_err(|error| unreadable(&format!("{} at byte {}", error.reason.label(), error.offset)))?;
    match &*text("event", keys.event, line)? {
        "done" => Ok(WorkerFrame::Done(keys.done()?)),
        "progress" => keys.progress(),
        "ready" => Ok(WorkerFrame::Ready(keys.ready()?)),
        "started" => Ok(WorkerFrame::Started { uuid: owned("uuid", keys.uuid, line)? }),
        "control" => keys.control(),
        "shutdown" => Ok(WorkerFrame::Shutdown),
        other => Ok(WorkerFrame::Unknown(other.chars().take(NAME_SHOWN).collect())),
    }
}

pub(super) fn unreadable(reason: &str) -> FrameError {
    FrameError::Unreadable { reason: reason.to_owned() }
}

/// Where the keys of any frame stand in the line.
#[derive(Default)]
struct Keys<'a> {
    line: &'a str,
    event: Option<Value>,
    uuid: Option<Value>,
    outcome: Option<Value>,
    error: Option<Value>,
    time_started: Option<Value>,
    time_finish: Option<Value>,
    is_stopping: Option<Value>,
    protocol: Option<Value>,
    slots: Option<Value>,
    ahead: Option<Value>,
    tasks: Option<Value>,
    stack_signals: Option<Value>,
    id: Option<Value>,
    command: Option<Value>,
    control_data: Option<Value>,
    percent: Option<Value>,
    text: Option<Value>,
    data: Option<Value>,
}

impl Keys<'_> {
    fn put(&mut self, key: &[u8], value: Value) {
        let slot = match key {
            b"event" => &mut self.event,
            b"uuid" => &mut self.uuid,
            b"outcome" => &mut self.outcome,
            b"error" => &mut self.error,
            b"time_started" => &mut self.time_started,
            b"time_finish" => &mut self.time_finish,
            b"is_stopping" => &mut self.is_stopping,
            b"protocol" => &mut self.protocol,
            b"slots" => &mut self.slots,
            b"ahead" => &mut self.ahead,
            b"tasks" => &mut self.tasks,
            b"stack_signals" => &mut self.stack_signals,
            b"id" => &mut self.id,
            b"command" => &mut self.command,
            b"control_data" => &mut self.control_data,
            b"percent" => &mut self.percent,
            b"text" => &mut self.text,
            b"data" => &mut self.data,
            _ => return,
        };
        *slot = Some(value).filter(|value| value.kind != Kind::Null);
    }

    fn ready(&self) -> Result<Ready, FrameError> {
        let line = self.line;
        let slots = integer("slots", self.slots, line)?.unwrap_or(1);
        if slots == 0 {
            return Err(unreadable("slots is 0"));
        }
        Ok(Ready {
            protocol: integer("protocol", self.protocol, line)?.unwrap_or(1),
            slots,
            ahead: integer("ahead", self.ahead, line)?.unwrap_or(0),
            tasks: texts("tasks", self.tasks, line)?,
            stack_signals: integers("stack_signals", self.stack_signals, line)?,
        })
    }

    fn done(&self) -> Result<Done, FrameError> {
        let line = self.line;
        let outcome = match &*text("outcome", self.outcome, line)? {
            "success" => Outcome::Success,
            "failure" => Outcome::Failure,
            "cancelled" => Outcome::Cancelled,
            "refused" => Outcome::Refused,
            _ => return Err(unreadable("outcome is none of success, failure, cancelled, refused")),
        };
        Ok(Done {
            uuid: owned("uuid", self.uuid, line)?,
            outcome,
            error: self.error.map(|error| task_error(error, line)).transpose()?,
            time_started: time("time_started", self.time_started, line)?,
            time_finish: time("time_finish", self.time_finish, line)?,
            is_stopping: flag("is_stopping", self.is_stopping, line)?,
        })
    }

    /// What is too much, or makes no sense, is left out: no task may end its worker by what it tells of itself.
    fn progress(&self) -> Result<WorkerFrame, FrameError> {
        let line = self.line;
        let uuid = owned("uuid", self.uuid, line)?;
        let percent = match self.percent {
            Some(percent) => percent.of(line).parse().ok().filter(|percent| (0.0..=100.0).contains(percent)),
            None => None,
        };
        let text = self.text.filter(|text| text.kind == Kind::Text).map(|text| {
            let mut text = text.lossy(line);
            shorten(&mut text, MAX_PROGRESS_TEXT);
            text
        });
        let data = self
            .data
            .map(|data| data.of(line))
            .filter(|data| data.len() <= MAX_PROGRESS_DATA && json::check(data, Limits::MESSAGE).is_ok());
        let data = data.and_then(|data| serde_json::from_str(data).ok());
        Ok(WorkerFrame::Progress { uuid, progress: Box::new(Progress { percent, text, data }) })
    }

    fn control(&self) -> Result<WorkerFrame, FrameError> {
        let line = self.line;
        let id = integer("id", self.id, line)?.ok_or_else(|| unreadable("id is missing"))?;
        let command = owned("command", self.command, line)?;
        let data = match self.control_data {
            None => serde_json::Map::new(),
            Some(data) => {
                let json = data.of(line);
                // What is kept as a tree must be no deeper than what is read from a broker.
                match json::check(json, Limits::MESSAGE) {
                    Ok(Some(Kind::Object)) => value::object(json).nearest(),
                    Ok(_) => return Err(unreadable("control_data is no object")),
                    Err(error) => return Err(unreadable(&format!("control_data: {error}"))),
                }
            }
        };
        Ok(WorkerFrame::Control { id, command, data })
    }
}

/// A text, with replacement characters for lone surrogates.
pub(super) fn text<'a>(name: &str, value: Option<Value>, line: &'a str) -> Result<Cow<'a, str>, FrameError> {
    match value {
        Some(value) if value.kind == Kind::Text => {
            Ok(value.text(line).unwrap_or_else(|| Cow::Owned(value.lossy(line))))
        }
        Some(_) => Err(unreadable(&format!("{name} is no text"))),
        None => Err(unreadable(&format!("{name} is missing"))),
    }
}

fn owned(name: &str, value: Option<Value>, line: &str) -> Result<String, FrameError> {
    text(name, value, line).map(Cow::into_owned)
}

pub(super) fn integer<T: FromStr>(
    name: &str,
    value: Option<Value>,
    line: &str,
) -> Result<Option<T>, FrameError> {
    let Some(value) = value else { return Ok(None) };
    match value.of(line).parse() {
        Ok(integer) => Ok(Some(integer)),
        Err(_) => Err(unreadable(&format!("{name} is no integer of its range"))),
    }
}

/// Seconds since the epoch; 0 when absent or no point in time.
fn time(name: &str, value: Option<Value>, line: &str) -> Result<f64, FrameError> {
    match value {
        None => Ok(0.0),
        Some(value) if matches!(value.kind, Kind::Integer | Kind::Float) => {
            Ok(value.of(line).parse().ok().filter(|time: &f64| time.is_finite()).unwrap_or(0.0))
        }
        Some(_) => Err(unreadable(&format!("{name} is no number"))),
    }
}

pub(super) fn flag(name: &str, value: Option<Value>, line: &str) -> Result<bool, FrameError> {
    match value {
        None => Ok(false),
        Some(value) if value.kind == Kind::Bool => Ok(value.of(line) == "true"),
        Some(_) => Err(unreadable(&format!("{name} is neither true nor false"))),
    }
}

fn task_error(error: Value, line: &str) -> Result<TaskError, FrameError> {
    let json = error.of(line);
    let mut found = TaskError::default();
    let mut trace = None;
    each_field(json, Limits::LENGTH_ONLY, |key, value| match key {
        b"type" if value.kind == Kind::Text => found.kind = value.lossy(json),
        b"message" if value.kind == Kind::Text => found.message = value.lossy(json),
        b"trace" if value.kind != Kind::Null => trace = Some(value),
        _ => {}
    })
    .map_err(|_| unreadable("error is no object"))?;
    found.trace = texts("trace", trace, json)?;
    Ok(found)
}

/// A list of texts; empty when absent.
pub(super) fn texts(name: &str, list: Option<Value>, within: &str) -> Result<Vec<String>, FrameError> {
    items(list, within, |item, json| (item.kind == Kind::Text).then(|| item.lossy(json)))
        .ok_or_else(|| unreadable(&format!("{name} is no list of texts")))
}

/// A list of integers; empty when absent.
fn integers(name: &str, list: Option<Value>, within: &str) -> Result<Vec<i32>, FrameError> {
    items(list, within, |item, json| item.of(json).parse().ok())
        .ok_or_else(|| unreadable(&format!("{name} is no list of small integers")))
}

/// The items of a list; none when it is no list, or one of them cannot be read.
fn items<T>(list: Option<Value>, within: &str, read: impl Fn(Value, &str) -> Option<T>) -> Option<Vec<T>> {
    let Some(list) = list else { return Some(Vec::new()) };
    let json = list.of(within);
    let mut scanner = Scanner::new(json, Limits::LENGTH_ONLY);
    let mut found = Vec::new();
    if scanner.token() != Ok(Token::Open(Kind::List)) {
        return None;
    }
    loop {
        match scanner.token() {
            Ok(Token::Scalar(item)) => found.push(read(item, json)?),
            Ok(Token::Close(Kind::List)) => return Some(found),
            _ => return None,
        }
    }
}

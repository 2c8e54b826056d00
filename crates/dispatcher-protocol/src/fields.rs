//! The top-level keys of a message: where each stands, and whether it makes sense.
//!
//! Builds nothing but what a refusal or a route needs. Between `json`, which finds the keys, and `message`.

use std::borrow::Cow;
use std::time::Duration;

use crate::chunk::ChunkPart;
use crate::control::ControlRequest;
use crate::error::{DecodeError, Reason};
use crate::json::{Kind, Limits, Value, each_field};
use crate::message::{MAX_SECONDS, OnDuplicate, Span, Unescaped};
use crate::value;

/// The longest uuid or message id, in bytes.
const MAX_UUID: usize = 255;

/// The longest text that may stand as a task, in bytes; dotted names are shorter still.
pub(crate) const MAX_TASK_TEXT: usize = 8000;

/// Where the keys that routing needs stand. Of equal keys the last counts, as for Python.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    task: Option<Value>,
    uuid: Option<Value>,
    args: Option<Value>,
    kwargs: Option<Value>,
    timeout: Option<Value>,
    delay: Option<Value>,
    on_duplicate: Option<Value>,
    control: Option<Value>,
    control_data: Option<Value>,
    reply_to: Option<Value>,
    chunk_version: Option<Value>,
    message_id: Option<Value>,
    index: Option<Value>,
    total: Option<Value>,
    payload: Option<Value>,
}

/// What a message is, by its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Task,
    Control,
    Chunk,
}

impl Fields {
    /// The keys of a text that must be one object.
    pub(crate) fn read(body: &str) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        each_field(body, Limits::MESSAGE, |key, value| {
            if let Some(slot) = fields.slot(key) {
                *slot = Some(value);
            }
        })?;
        Ok(fields)
    }

    fn slot(&mut self, key: &[u8]) -> Option<&mut Option<Value>> {
        Some(match key {
            b"task" => &mut self.task,
            b"uuid" => &mut self.uuid,
            b"args" => &mut self.args,
            b"kwargs" => &mut self.kwargs,
            b"timeout" => &mut self.timeout,
            b"delay" => &mut self.delay,
            b"on_duplicate" => &mut self.on_duplicate,
            b"control" => &mut self.control,
            b"control_data" => &mut self.control_data,
            b"reply_to" => &mut self.reply_to,
            b"__dispatcherd_chunk__" => &mut self.chunk_version,
            b"message_id" => &mut self.message_id,
            b"index" => &mut self.index,
            b"total" => &mut self.total,
            b"payload" => &mut self.payload,
            _ => return None,
        })
    }

    /// A piece of a version that nobody knows is refused, unless the object is something else all the same.
    pub(crate) fn shape(&self, body: &str) -> Result<Shape, DecodeError> {
        match self.chunk_version {
            Some(version) if text_of(version, body).is_some_and(|version| version == "v1") => {
                Ok(Shape::Chunk)
            }
            Some(version) if self.task.is_none() && self.control.is_none() => {
                Err(DecodeError::at(Reason::BadChunk, version.start))
            }
            _ if self.control.is_some() => Ok(Shape::Control),
            _ => Ok(Shape::Task),
        }
    }

    pub(crate) fn task(&self, body: &str, unescaped: &mut Unescaped) -> Result<Span, DecodeError> {
        let Some(value) = self.task else { return Err(DecodeError::at(Reason::NoTask, 0)) };
        let name = text_of(value, body).filter(|name| !name.is_empty() && name.len() <= MAX_TASK_TEXT);
        place(value, name, Reason::BadTask, &mut unescaped.task)
    }

    /// An empty uuid is as good as none.
    pub(crate) fn uuid(&self, body: &str, unescaped: &mut Unescaped) -> Result<Span, DecodeError> {
        let Some(value) = present(self.uuid) else { return Ok(Span::default()) };
        let printable = |uuid: &str| {
            uuid.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !uuid.contains(char::is_control)
        };
        let fits = |uuid: &Cow<'_, str>| uuid.len() <= MAX_UUID && printable(uuid);
        place(value, text_of(value, body).filter(fits), Reason::BadUuid, &mut unescaped.uuid)
    }

    /// A list; or an object, whose keys Python passes when it unpacks it as positional arguments.
    pub(crate) fn args(&self) -> Result<Span, DecodeError> {
        container(self.args, &[Kind::List, Kind::Object], Reason::BadArgs)
    }

    pub(crate) fn kwargs(&self) -> Result<Span, DecodeError> {
        container(self.kwargs, &[Kind::Object], Reason::BadKwargs)
    }

    pub(crate) fn timeout(&self, body: &str) -> Result<u64, DecodeError> {
        microseconds(self.timeout, body, Reason::BadTimeout)
    }

    pub(crate) fn delay(&self, body: &str) -> Result<u64, DecodeError> {
        microseconds(self.delay, body, Reason::BadDelay)
    }

    /// The rule, and whether the message asks for one that nobody knows.
    pub(crate) fn on_duplicate(&self, body: &str) -> (OnDuplicate, bool) {
        let Some(value) = present(self.on_duplicate) else { return (OnDuplicate::Parallel, false) };
        match text_of(value, body).as_deref() {
            Some("parallel") => (OnDuplicate::Parallel, false),
            Some("discard") => (OnDuplicate::Discard, false),
            Some("serial") => (OnDuplicate::Serial, false),
            Some("queue_one") => (OnDuplicate::QueueOne, false),
            _ => (OnDuplicate::Parallel, true),
        }
    }

    pub(crate) fn control_request(&self, body: &str) -> Result<ControlRequest, DecodeError> {
        let bad = |value: Value| DecodeError::at(Reason::BadControl, value.start);
        let delay = Duration::from_micros(self.delay(body)?);
        let text = |value: Value| text_of(value, body).map(Cow::into_owned).ok_or_else(|| bad(value));
        let data = match present(self.control_data) {
            None => serde_json::Map::new(),
            Some(value) if value.kind == Kind::Object => {
                value::object(value.of(body)).exact().ok_or_else(|| bad(value))?
            }
            Some(value) => return Err(bad(value)),
        };
        let command = self.control.map(text).transpose()?.unwrap_or_default();
        let reply_to = present(self.reply_to).map(text).transpose()?.filter(|channel| !channel.is_empty());
        Ok(ControlRequest { command, data, reply_to, delay })
    }

    pub(crate) fn chunk(&self, body: &str) -> Result<ChunkPart, DecodeError> {
        let bad =
            |value: Option<Value>| DecodeError::at(Reason::BadChunk, value.map_or(0, |value| value.start));
        let text = |value: Option<Value>| {
            value.and_then(|value| text_of(value, body)).map(Cow::into_owned).ok_or_else(|| bad(value))
        };
        let number = |value: Option<Value>| {
            value.and_then(|value| value.of(body).parse::<u32>().ok()).ok_or_else(|| bad(value))
        };
        let part = ChunkPart {
            message_id: text(self.message_id)?,
            index: number(self.index)?,
            total: number(self.total)?,
            payload: text(self.payload)?,
        };
        if part.total == 0 {
            return Err(bad(self.total));
        }
        if part.message_id.len() > MAX_UUID { Err(bad(self.message_id)) } else { Ok(part) }
    }
}

/// Null is as good as absent for the optional keys.
fn present(value: Option<Value>) -> Option<Value> {
    value.filter(|value| value.kind != Kind::Null)
}

fn container(value: Option<Value>, kinds: &[Kind], reason: Reason) -> Result<Span, DecodeError> {
    match value {
        None => Ok(Span::default()),
        Some(value) if kinds.contains(&value.kind) => Ok(Span::new(value.start, value.end)),
        Some(value) => Err(DecodeError::at(reason, value.start)),
    }
}

/// Seconds as microseconds, rounded up; 0 for an absent value, for null and for 0 itself.
fn microseconds(value: Option<Value>, body: &str, reason: Reason) -> Result<u64, DecodeError> {
    let Some(value) = present(value) else { return Ok(0) };
    let seconds = match value.kind {
        Kind::Integer | Kind::Float => value.of(body).parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    };
    if (0.0..=MAX_SECONDS).contains(&seconds) {
        Ok((seconds * 1e6).ceil() as u64)
    } else {
        Err(DecodeError::at(reason, value.start))
    }
}

/// The place of a text in the body; a copy is kept when it is written with escapes.
fn place(
    value: Value,
    text: Option<Cow<'_, str>>,
    reason: Reason,
    copy: &mut Option<Box<str>>,
) -> Result<Span, DecodeError> {
    match text {
        None => return Err(DecodeError::at(reason, value.start)),
        Some(Cow::Borrowed(_)) => {}
        Some(Cow::Owned(text)) => *copy = Some(text.into_boxed_str()),
    }
    Ok(Span::new(value.start + 1, value.end - 1))
}

fn text_of(value: Value, body: &str) -> Option<Cow<'_, str>> {
    if value.kind == Kind::Text { value.text(body) } else { None }
}

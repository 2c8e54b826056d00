//! The top-level keys of a message: where each stands, and whether it makes sense.

use crate::chunk::ChunkPart;
use crate::control::ControlRequest;
use crate::error::{DecodeError, Reason};
use crate::json::{Kind, Scanner, Value};
use crate::message::{MAX_SECONDS, OnDuplicate, Span, Unescaped};
use crate::text;

/// The longest uuid, in bytes.
const MAX_UUID: usize = 255;

/// The longest text that may stand as a task; dotted names are shorter still.
const MAX_TASK_TEXT: usize = 8000;

/// Where the keys that routing needs stand. Of equal keys the last counts, as for Python.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    task: Option<Value>,
    uuid: Option<Value>,
    args: Option<Value>,
    kwargs: Option<Value>,
    pub(crate) timeout: Option<Value>,
    pub(crate) delay: Option<Value>,
    on_duplicate: Option<Value>,
    pub(crate) control: Option<Value>,
    control_data: Option<Value>,
    reply_to: Option<Value>,
    pub(crate) chunk_marker: bool,
    message_id: Option<Value>,
    index: Option<Value>,
    total: Option<Value>,
    payload: Option<Value>,
}

/// Walks over the object that begins here; the whole text must be this object.
pub(crate) fn read_fields(body: &str, scanner: &mut Scanner<'_>) -> Result<Fields, DecodeError> {
    let mut fields = Fields::default();
    scanner.expect(b'{')?;
    scanner.skip_blanks();
    if !scanner.take(b'}') {
        loop {
            let key = scanner.key()?;
            let value = scanner.value()?;
            fields.put(&text::unescape(&body[key.start..key.end]), value, body);
            scanner.skip_blanks();
            if !scanner.take(b',') {
                break;
            }
        }
        scanner.expect(b'}')?;
    }
    scanner.finish()?;
    Ok(fields)
}

impl Fields {
    fn put(&mut self, key: &[u8], value: Value, body: &str) {
        let slot = match key {
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
            b"message_id" => &mut self.message_id,
            b"index" => &mut self.index,
            b"total" => &mut self.total,
            b"payload" => &mut self.payload,
            b"__dispatcherd_chunk__" => {
                self.chunk_marker = &body[value.start..value.end] == "\"v1\"";
                return;
            }
            _ => return,
        };
        *slot = Some(value);
    }

    pub(crate) fn task_name(&self, body: &str, unescaped: &mut Unescaped) -> Result<Span, DecodeError> {
        let Some(value) = self.task else { return Err(DecodeError::at(Reason::NoTask, 0)) };
        let (span, owned) = name(value, body, MAX_TASK_TEXT, Reason::BadTask)?;
        unescaped.task = owned;
        if span.start == span.end && unescaped.task.is_none() {
            return Err(DecodeError::at(Reason::BadTask, value.start));
        }
        Ok(span)
    }

    pub(crate) fn uuid(&self, body: &str, unescaped: &mut Unescaped) -> Result<Span, DecodeError> {
        let Some(value) = present(self.uuid) else { return Ok(Span::default()) };
        let (span, owned) = name(value, body, MAX_UUID, Reason::BadUuid)?;
        if owned.as_deref().is_some_and(|uuid| uuid.chars().any(char::is_control)) {
            return Err(DecodeError::at(Reason::BadUuid, value.start));
        }
        unescaped.uuid = owned;
        Ok(span)
    }

    pub(crate) fn args(&self) -> Result<Span, DecodeError> {
        // A list; or an object, whose keys Python passes when it is unpacked as positional arguments.
        container(self.args, &[Kind::List, Kind::Object], Reason::BadArgs)
    }

    pub(crate) fn kwargs(&self) -> Result<Span, DecodeError> {
        container(self.kwargs, &[Kind::Object], Reason::BadKwargs)
    }

    /// Microseconds; 0 for an absent value, for null and for 0 itself.
    pub(crate) fn seconds(body: &str, value: Option<Value>, reason: Reason) -> Result<u64, DecodeError> {
        let Some(value) = present(value) else { return Ok(0) };
        let seconds = match value.kind {
            Kind::Number => body[value.start..value.end].parse().unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        if (0.0..=MAX_SECONDS).contains(&seconds) {
            Ok((seconds * 1e6).ceil() as u64)
        } else {
            Err(DecodeError::at(reason, value.start))
        }
    }

    /// The rule, and whether the message asks for one that nobody knows.
    pub(crate) fn on_duplicate(&self, body: &str) -> (OnDuplicate, bool) {
        let Some(value) = present(self.on_duplicate) else { return (OnDuplicate::Parallel, false) };
        match &body[value.start..value.end] {
            "\"parallel\"" => (OnDuplicate::Parallel, false),
            "\"discard\"" => (OnDuplicate::Discard, false),
            "\"serial\"" => (OnDuplicate::Serial, false),
            "\"queue_one\"" => (OnDuplicate::QueueOne, false),
            _ => (OnDuplicate::Parallel, true),
        }
    }

    pub(crate) fn control_request(&self, body: &str) -> Result<ControlRequest, DecodeError> {
        let bad = |value: Value| DecodeError::at(Reason::BadControl, value.start);
        if let Some(delay) = present(self.delay) {
            return Err(bad(delay));
        }
        let text_of = |value: Value| text_of(value, body).ok_or_else(|| bad(value));
        let Some(control) = self.control else { return Err(DecodeError::at(Reason::BadControl, 0)) };
        let data = match present(self.control_data) {
            None => serde_json::Map::new(),
            Some(value) => serde_json::from_str(&body[value.start..value.end]).map_err(|_| bad(value))?,
        };
        let reply_to = present(self.reply_to).map(text_of).transpose()?;
        Ok(ControlRequest { command: text_of(control)?, data, reply_to })
    }

    pub(crate) fn chunk(&self, body: &str) -> Result<ChunkPart, DecodeError> {
        let missing = DecodeError::at(Reason::BadChunk, 0);
        let text_of = |value: Option<Value>| value.and_then(|value| text_of(value, body)).ok_or(missing);
        let number_of = |value: Option<Value>| {
            value.and_then(|value| body[value.start..value.end].parse::<u32>().ok()).ok_or(missing)
        };
        let part = ChunkPart {
            message_id: text_of(self.message_id)?,
            index: number_of(self.index)?,
            total: number_of(self.total)?,
            payload: text_of(self.payload)?,
        };
        if part.index < part.total && part.message_id.len() <= MAX_UUID { Ok(part) } else { Err(missing) }
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

/// A text of limited length: its place in the body, or its own copy when it is written with escapes.
fn name(
    value: Value,
    body: &str,
    limit: usize,
    reason: Reason,
) -> Result<(Span, Option<Box<str>>), DecodeError> {
    let bad = DecodeError::at(reason, value.start);
    if value.kind != Kind::Text || value.end - value.start - 2 > limit {
        return Err(bad);
    }
    let span = Span::new(value.start + 1, value.end - 1);
    let literal = &body[value.start..value.end];
    if !literal.contains('\\') {
        return Ok((span, None));
    }
    let unescaped = text::text(literal).ok_or(bad)?;
    Ok((span, Some(unescaped.into_owned().into_boxed_str())))
}

fn text_of(value: Value, body: &str) -> Option<String> {
    if value.kind != Kind::Text {
        return None;
    }
    text::text(&body[value.start..value.end]).map(std::borrow::Cow::into_owned)
}

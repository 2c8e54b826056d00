//! What a publisher sends: a task, a control request, or a piece of a longer message.
//!
//! A message is parsed once, and only as far as routing needs: `args` and `kwargs` stay the text they came as,
//! all the way to the worker. First step of the path; knows neither time nor who sent it.

use std::time::Duration;

use crate::chunk::ChunkPart;
use crate::control::ControlRequest;
use crate::error::{DecodeError, Reason};
use crate::fields::{Fields, MAX_TASK_TEXT, Shape};
use crate::json::{self, Limits};
use crate::same;
use crate::text;

/// The longest message, put together from its pieces.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// The longest delay or timeout, in seconds: a year.
pub const MAX_SECONDS: f64 = 31_536_000.0;

/// What JSON takes for blanks.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// What a payload says.
#[derive(Debug)]
pub enum Decoded {
    /// Something to run.
    Task(TaskMessage),
    /// A question to the service.
    Control(ControlRequest),
    /// A piece of a message too long for its broker.
    Chunk(ChunkPart),
}

/// What to do when an equal task is waiting or running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// Run it all the same.
    #[default]
    Parallel,
    /// Drop it.
    Discard,
    /// Run it when the other has ended.
    Serial,
    /// As serial, with at most one waiting.
    QueueOne,
}

impl OnDuplicate {
    /// As messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::Discard => "discard",
            Self::Serial => "serial",
            Self::QueueOne => "queue_one",
        }
    }
}

/// A part of the text, as offsets. No message is longer than [`MAX_MESSAGE`], so 32 bits are enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// Nothing has length 0: every JSON value has at least one byte.
    fn of(self, text: &str) -> Option<&str> {
        (self.end > self.start).then(|| &text[self.start as usize..self.end as usize])
    }
}

/// Names that are written with escapes, which the text itself cannot lend.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unescaped {
    pub(crate) task: Option<Box<str>>,
    pub(crate) uuid: Option<Box<str>>,
}

/// A task as it was published. Owns its text once; everything else points into it.
#[derive(Debug)]
pub struct TaskMessage {
    body: Box<str>,
    task: Span,
    uuid: Span,
    args: Span,
    kwargs: Span,
    /// Microseconds; 0 is none.
    timeout: u64,
    delay: u64,
    fingerprint: u64,
    unescaped: Option<Box<Unescaped>>,
    on_duplicate: OnDuplicate,
    unknown_on_duplicate: bool,
}

/// Reads a payload as it came from a broker.
///
/// Text that does not begin like a JSON object, list or string and is no JSON is taken, whole and untrimmed, for
/// the name of a task.
pub fn decode(payload: String) -> Result<Decoded, DecodeError> {
    if payload.len() > MAX_MESSAGE {
        return Err(DecodeError::at(Reason::TooLong, MAX_MESSAGE));
    }
    let skipped = payload.len() - payload.trim_start_matches(BLANKS).len();
    let body = payload.trim_matches(BLANKS);
    if !body.starts_with('{') {
        return no_object(&payload, body);
    }
    // Blanks around the object are rare, and cost a copy.
    let body = if body.len() == payload.len() { payload } else { body.to_owned() };
    object(body).map_err(|error| DecodeError::at(error.reason, error.offset + skipped))
}

fn object(body: String) -> Result<Decoded, DecodeError> {
    let fields = Fields::read(&body)?;
    match fields.shape(&body)? {
        Shape::Chunk => fields.chunk(&body).map(Decoded::Chunk),
        Shape::Control => fields.control_request(&body).map(Decoded::Control),
        Shape::Task => TaskMessage::new(body, &fields).map(Decoded::Task),
    }
}

/// JSON that is no object is refused, text that is no JSON may be the name of a task.
fn no_object(payload: &str, body: &str) -> Result<Decoded, DecodeError> {
    match json::check(payload, Limits::MESSAGE) {
        Ok(_) => Err(DecodeError::at(Reason::NotAnObject, 0)),
        Err(error) if error.reason != Reason::BadJson || body.starts_with(['[', '"']) => Err(error),
        Err(_) => TaskMessage::from_name(payload).map(Decoded::Task),
    }
}

impl TaskMessage {
    /// The message that a bare task name stands for.
    pub fn from_name(task: &str) -> Result<Self, DecodeError> {
        if task.is_empty() || task.len() > MAX_TASK_TEXT {
            return Err(DecodeError::at(Reason::BadTask, 0));
        }
        let mut body = String::with_capacity(task.len() + 12);
        body.push_str("{\"task\": ");
        text::write(task, &mut body);
        body.push('}');
        let fields = Fields::read(&body)?;
        Self::new(body, &fields)
    }

    fn new(mut body: String, fields: &Fields) -> Result<Self, DecodeError> {
        let mut unescaped = Unescaped::default();
        let task = fields.task(&body, &mut unescaped)?;
        let uuid = fields.uuid(&body, &mut unescaped)?;
        let args = fields.args()?;
        let kwargs = fields.kwargs()?;
        let timeout = fields.timeout(&body)?;
        let delay = fields.delay(&body)?;
        let (on_duplicate, unknown_on_duplicate) = fields.on_duplicate(&body);
        let has = |byte| body.as_bytes().contains(&byte);
        if has(b'\n') || has(b'\r') {
            // Only blanks between values can be raw line ends; frames are lines, so they become spaces.
            body = body.replace(['\n', '\r'], " ");
        }
        let mut message = Self {
            body: body.into_boxed_str(),
            task,
            uuid,
            args,
            kwargs,
            timeout,
            delay,
            fingerprint: 0,
            unescaped: (unescaped != Unescaped::default()).then(|| Box::new(unescaped)),
            on_duplicate,
            unknown_on_duplicate,
        };
        message.fingerprint = same::fingerprint(message.task(), message.args(), message.kwargs());
        Ok(message)
    }

    /// The task's name: a dotted path, or other text that only a lax policy lets through.
    pub fn task(&self) -> &str {
        let unescaped = self.unescaped.as_ref().and_then(|names| names.task.as_deref());
        unescaped.or_else(|| self.task.of(&self.body)).unwrap_or("")
    }

    /// The uuid the publisher gave, any text.
    pub fn uuid(&self) -> Option<&str> {
        let unescaped = self.unescaped.as_ref().and_then(|names| names.uuid.as_deref());
        unescaped.or_else(|| self.uuid.of(&self.body))
    }

    /// The whole JSON object, without raw line ends, otherwise as it came.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The positional arguments as JSON text: a list, or an object whose keys are passed.
    pub fn args(&self) -> Option<&str> {
        self.args.of(&self.body)
    }

    /// The keyword arguments as JSON text: an object.
    pub fn kwargs(&self) -> Option<&str> {
        self.kwargs.of(&self.body)
    }

    /// How long it may run; none, for ever.
    pub fn timeout(&self) -> Option<Duration> {
        (self.timeout > 0).then(|| Duration::from_micros(self.timeout))
    }

    /// How long it waits before it may start.
    pub fn delay(&self) -> Option<Duration> {
        (self.delay > 0).then(|| Duration::from_micros(self.delay))
    }

    /// What to do about an equal task.
    pub fn on_duplicate(&self) -> OnDuplicate {
        self.on_duplicate
    }

    /// The message asks for a duplicate rule that nobody knows. It runs as `parallel`; say so in the log.
    pub fn unknown_on_duplicate(&self) -> bool {
        self.unknown_on_duplicate
    }

    /// A hash of task, `args` and `kwargs` that is equal for equal work. Differs from process to process.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether the other message asks for the same work: task, `args` and `kwargs` equal as Python compares them.
    pub fn same_work(&self, other: &Self) -> bool {
        let equal = |one: Option<&str>, two: Option<&str>| match (one, two) {
            (None, None) => true,
            (Some(one), Some(two)) => same::equal(one, two),
            _ => false,
        };
        self.fingerprint == other.fingerprint
            && self.task() == other.task()
            && equal(self.args(), other.args())
            && equal(self.kwargs(), other.kwargs())
    }

    /// Appends the body with `uuid` and `channel` put last: of equal keys the last counts, for every reader. The
    /// message's own uuid is not written twice; an empty channel is none, and left out.
    pub fn write_with(&self, uuid: &str, channel: &str, out: &mut Vec<u8>) {
        let mut added = String::with_capacity(uuid.len() + channel.len() + 32);
        if self.uuid() != Some(uuid) {
            added.push_str(", \"uuid\": ");
            text::write(uuid, &mut added);
        }
        if !channel.is_empty() {
            added.push_str(", \"channel\": ");
            text::write(channel, &mut added);
        }
        added.push('}');
        // The body is one object with at least the key "task" in it, so a comma fits before its last byte.
        out.extend_from_slice(&self.body.as_bytes()[..self.body.len() - 1]);
        out.extend_from_slice(added.as_bytes());
    }
}

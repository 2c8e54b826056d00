//! Why a message was refused: a stable label for counters, a sentence for people, and the place.
//!
//! Never holds any of the message's text: what cannot be read may be a secret.

use std::fmt;

/// The kinds of refusal. `label()` is stable: dashboards count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The text begins like JSON and is not.
    BadJson,
    /// JSON, but no object.
    NotAnObject,
    /// Neither `task` nor `control`.
    NoTask,
    /// `task` is no text, is empty or is too long.
    BadTask,
    /// `args` is neither a list nor an object.
    BadArgs,
    /// `kwargs` is no object.
    BadKwargs,
    /// `uuid` is no text, too long, or holds control characters.
    BadUuid,
    /// `timeout` is no number between 0 and a year.
    BadTimeout,
    /// `delay` is no number between 0 and a year.
    BadDelay,
    /// `control`, `control_data` or `reply_to` has the wrong type, or comes with a delay.
    BadControl,
    /// A piece of a long message whose fields make no sense.
    BadChunk,
    /// Nested deeper than [`crate::MAX_DEPTH`].
    TooDeep,
    /// More keys than [`crate::MAX_KEYS`].
    TooManyKeys,
    /// Longer than [`crate::MAX_MESSAGE`].
    TooLong,
}

impl Reason {
    /// A short name that never changes.
    pub fn label(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::NotAnObject => "not_an_object",
            Self::NoTask => "no_task",
            Self::BadTask => "bad_task",
            Self::BadArgs => "bad_args",
            Self::BadKwargs => "bad_kwargs",
            Self::BadUuid => "bad_uuid",
            Self::BadTimeout => "bad_timeout",
            Self::BadDelay => "bad_delay",
            Self::BadControl => "bad_control",
            Self::BadChunk => "bad_chunk",
            Self::TooDeep => "too_deep",
            Self::TooManyKeys => "too_many_keys",
            Self::TooLong => "too_long",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::BadJson => "not valid JSON",
            Self::NotAnObject => "the message must be a JSON object or a bare task name",
            Self::NoTask => "the message names no task; give it the key \"task\"",
            Self::BadTask => "\"task\" must be a text of 1 to 255 bytes such as \"package.module.function\"",
            Self::BadArgs => "\"args\" must be a list; leave it out when there are none",
            Self::BadKwargs => "\"kwargs\" must be an object; leave it out when there are none",
            Self::BadUuid => "\"uuid\" must be a text of at most 255 bytes without control characters",
            Self::BadTimeout => "\"timeout\" must be a number of seconds between 0 and 31,536,000 (a year)",
            Self::BadDelay => "\"delay\" must be a number of seconds between 0 and 31,536,000 (a year)",
            Self::BadControl => {
                "a control request needs \"control\" and \"reply_to\" as texts, \"control_data\" as an object, and no delay"
            }
            Self::BadChunk => "a piece of a long message has fields that make no sense",
            Self::TooDeep => "nested deeper than 64 levels",
            Self::TooManyKeys => "more than 10,000 keys",
            Self::TooLong => "longer than 1 MiB",
        }
    }
}

/// A message that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub reason: Reason,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

impl DecodeError {
    pub(crate) fn at(reason: Reason, offset: usize) -> Self {
        Self { reason, offset }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason.sentence(), self.offset)
    }
}

impl std::error::Error for DecodeError {}

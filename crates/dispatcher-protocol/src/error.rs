//! Why a message was refused: a stable label for counters, a sentence for people, and the place.
//!
//! Never holds any of the message's text: what cannot be read may be a secret.

use thiserror::Error;

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
    /// An integer of more digits than [`crate::MAX_DIGITS`], which Python would refuse to read.
    LongNumber,
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
            Self::LongNumber => "long_number",
            Self::TooLong => "too_long",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::BadJson => "not valid JSON",
            Self::NotAnObject => "the message must be a JSON object or a bare task name",
            Self::NoTask => "the message names no task; give it the key \"task\"",
            Self::BadTask => {
                "\"task\" must be a text of 1 to 8,000 bytes such as \"package.module.function\""
            }
            Self::BadArgs => "\"args\" must be a list or an object; leave it out when there are none",
            Self::BadKwargs => "\"kwargs\" must be an object; leave it out when there are none",
            Self::BadUuid => "\"uuid\" must be a text of at most 255 bytes without control characters",
            Self::BadTimeout => "\"timeout\" must be a number of seconds between 0 and 31,536,000 (a year)",
            Self::BadDelay => "\"delay\" must be a number of seconds between 0 and 31,536,000 (a year)",
            Self::BadControl => {
                "a control request has \"control\" as a text, \"reply_to\" as a text or none, \"control_data\" as an object of \
                 strict JSON with numbers of at most 64 bits or none, and no \"delay\""
            }
            Self::BadChunk => "a piece of a long message has fields that make no sense",
            Self::TooDeep => "nested deeper than 64 levels",
            Self::TooManyKeys => "more than 10,000 keys",
            Self::LongNumber => "an integer of more than 4,300 digits; send it as text",
            Self::TooLong => "longer than 8 MiB",
        }
    }
}

/// A message that is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{} (at byte {offset})", reason.sentence())]
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

//! The messages and frames of dispatcher: bytes in, types out.
//!
//! Two wires are described here. Publishers send *messages* through a broker (a task, a control request, a piece
//! of a longer message); the service and its workers exchange *frames* over a socket. Both are JSON.
//!
//! Nothing here does I/O, knows what time it is (time is an argument) or decides what a message is for.

mod error;
mod name;
mod json;
mod text;
mod value;
mod fields;
mod message;
mod draft;
mod same;
mod control;
mod chunk;
mod frame;

pub use chunk::{Assembled, Assembler, ChunkPart, ChunkStats, Partial, split};
pub use control::{ControlRequest, to_ascii_json};
pub use draft::{Draft, DraftOptions};
pub use error::{DecodeError, Reason};
pub use frame::{
    Done, Finished, FrameError, FrameReader, MAX_ERROR_TEXT, MAX_FRAME, MAX_PROGRESS_DATA, MAX_PROGRESS_TEXT,
    MAX_RESULT, Outcome, Progress, Ready, RunFrame, RunHead, RunMessage, ServiceFrame, ServiceReader, Setup,
    TaskError, WORKER_PROTOCOL, WorkerFrame, follow_ups, write_cancel, write_control, write_done,
    write_progress, write_ready, write_reply, write_run, write_shutdown, write_stop,
};
pub use json::{MAX_DEPTH, MAX_DIGITS, MAX_KEYS, ReadError, WriteError, entries, from_json, items, to_json};
pub use message::{Decoded, MAX_MESSAGE, MAX_SECONDS, OnDuplicate, TaskMessage, decode};
pub use name::{MAX_NAME, NameError, check_name, has_dunder_part, is_lambda};
pub use same::equal as same_json;
pub use text::shorten;

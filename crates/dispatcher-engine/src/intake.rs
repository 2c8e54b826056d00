//! Step 1: text becomes a task, a control request, or a kept piece; names pass the gate.

use std::sync::Arc;
use std::time::Instant;

use dispatcher_protocol::{
    Assembled, Assembler, ControlRequest, Decoded, Reason, TaskMessage, check_name, decode, has_dunder_part,
    is_lambda,
};

use crate::config::{Config, TaskPolicy};
use crate::event::Event;
use crate::task::{Source, Task};

/// What a message came to.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It goes on.
    Task(TaskMessage),
    /// The driver answers it.
    Control(ControlRequest),
    /// A piece; others are awaited.
    Kept,
    /// It cannot be read, or names a task that no message may name.
    Refused(Event),
}

/// Reads messages.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) pieces: Assembler,
    policy: TaskPolicy,
    allow_eval: bool,
    /// Messages that could be read since the start, control requests and the service's own tasks included. Tasks
    /// that come without a uuid are numbered by it.
    received: u64,
}

impl Intake {
    pub(crate) fn new(config: &mut Config) -> Self {
        Self {
            pieces: Assembler::new(config.chunk_patience),
            policy: std::mem::take(&mut config.policy),
            allow_eval: config.allow_eval,
            received: 0,
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Reads a payload as it came from a broker.
    pub(crate) fn read(&mut self, payload: String, source: &Source, now: Instant) -> Taken {
        let bytes = payload.len();
        let decoded = match decode(payload) {
            Ok(Decoded::Chunk(part)) => match self.pieces.add(part, now) {
                Assembled::Waiting => return Taken::Kept,
                Assembled::Complete(message) => decode(message),
                Assembled::Refused(why) => {
                    return Taken::Refused(refused("bad_chunk", why.to_owned(), source, bytes));
                }
            },
            Err(error) if error.reason == Reason::BadChunk => {
                self.pieces.note_unreadable();
                Err(error)
            }
            decoded => decoded,
        };
        match decoded {
            Ok(Decoded::Task(message)) => self.check(message, source),
            Ok(Decoded::Control(request)) => {
                self.received += 1;
                Taken::Control(request)
            }
            Ok(Decoded::Chunk(_)) => {
                Taken::Refused(refused("bad_chunk", "a piece within a piece".to_owned(), source, bytes))
            }
            Err(error) => Taken::Refused(refused(error.reason.label(), error.to_string(), source, bytes)),
        }
    }

    /// Lets a message through that names a task which messages may name.
    pub(crate) fn check(&mut self, message: TaskMessage, source: &Source) -> Taken {
        match self.gate(message.task()) {
            Ok(()) => Taken::Task(message),
            Err((reason, text)) => {
                self.received += 1;
                Taken::Refused(refused(reason, text, source, message.body().len()))
            }
        }
    }

    /// Makes a task of a message; a uuid of our own goes before the message's.
    pub(crate) fn task(
        &mut self,
        message: TaskMessage,
        source: Source,
        trusted: bool,
        uuid: Option<String>,
        now: Instant,
    ) -> Arc<Task> {
        let uuid = match (uuid, message.uuid()) {
            (Some(uuid), _) => uuid.into_boxed_str(),
            (None, Some(uuid)) => uuid.into(),
            (None, None) => format!("internal-{}", self.received).into_boxed_str(),
        };
        self.received += 1;
        Arc::new(Task { message, uuid, source, trusted, attempt: 1, order: self.received, arrived: now })
    }

    /// Whether a message from a broker may name this task. The worker looks again, at what the name leads to.
    pub(crate) fn gate(&self, name: &str) -> Result<(), (&'static str, String)> {
        if is_lambda(name) && check_name(name).is_err() {
            return if self.policy == TaskPolicy::Any && self.allow_eval {
                Ok(())
            } else {
                Err((
                    "lambda",
                    "text that begins with lambda runs only with worker.task_policy: any and \
                     worker.allow_eval: true"
                        .to_owned(),
                ))
            };
        }
        check_name(name).map_err(|error| ("bad_name", error.to_string()))?;
        if self.policy != TaskPolicy::Any && has_dunder_part(name) {
            return Err((
                "policy",
                format!(
                    "task {name:?} has a part with two underscores first, which only \
                 worker.task_policy: any lets through"
                ),
            ));
        }
        match &self.policy {
            TaskPolicy::Prefix(prefixes) if !prefixes.iter().any(|prefix| name.starts_with(prefix)) => Err((
                "policy",
                format!(
                    "task {name:?} begins with none of worker.task_prefixes \
                     (worker.task_policy is prefix)"
                ),
            )),
            _ => Ok(()),
        }
    }
}

fn refused(reason: &'static str, text: String, source: &Source, bytes: usize) -> Event {
    Event::Refused { reason, text, channel: Arc::clone(&source.channel), bytes }
}

//! What a task is: a name, the options that it is published with, and a body. The macro writes these; who runs tasks reads
//! them. Knows nothing of wires.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use dispatcher_protocol::OnDuplicate;

use crate::context::TaskContext;

/// A task as its attribute describes it.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The name by which any language can start it: dotted, at most 255 bytes.
    pub name: &'static str,
    /// Where it is defined, for errors: `src/tasks.rs:12`.
    pub place: &'static str,
    /// What `#[task(...)]` says about its messages.
    pub options: TaskOptions,
    /// What becomes of a cancelled run.
    pub on_cancel: OnCancel,
    /// What it does.
    pub body: Body,
}

/// A function that is a task. [`#[task]`](macro@crate::task) implements it for the type that it puts beside the function.
pub trait Task {
    /// What the attribute said.
    const DEFINITION: Definition;
}

/// What a message says beside the task and its arguments. What is none is left out of the message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskOptions {
    /// The channel to publish to; none leaves it to the publisher's default.
    pub queue: Option<&'static str>,
    /// How long a run may take, from its start.
    pub timeout: Option<Duration>,
    /// How long it waits in the service before it may begin.
    pub delay: Option<Duration>,
    /// What becomes of it while an equal task waits or runs.
    pub on_duplicate: Option<OnDuplicate>,
}

/// What becomes of an async task that is cancelled or is out of time. A task that is not async sees its
/// [token](TaskContext::is_cancelled) in either case; whoever does not give way is ended with its worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCancel {
    /// It is dropped where it awaits.
    #[default]
    Drop,
    /// It sees its token and ends by itself.
    Cooperate,
}

/// A future of a run.
pub type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What a task does.
#[derive(Clone, Copy)]
pub enum Body {
    /// An async function.
    Async(fn(TaskContext, Arguments) -> Run),
    /// A function that may block; it runs on a thread of its own.
    Blocking(fn(TaskContext, Arguments) -> Outcome),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "async",
            Self::Blocking(_) => "blocking",
        })
    }
}

/// The arguments of a message: JSON as its publisher wrote it. Python may write what strict JSON has not (`NaN`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// A list; none is an empty one.
    pub args: Option<String>,
    /// An object; none is an empty one.
    pub kwargs: Option<String>,
}

/// How a run ended: with its result as JSON (none for `()`), or with the reason why not.
pub type Outcome = Result<Option<String>, Failure>;

/// Why a run ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The task gave way to a cancel.
    Cancelled,
    /// It failed.
    Failed {
        /// The type of the error.
        kind: String,
        /// Its text; never arguments.
        message: String,
    },
}

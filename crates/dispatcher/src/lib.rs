//! Background tasks for applications on Postgres: define them, publish them, run them.
//!
//! | module | is for |
//! | --- | --- |
//! | [`definition`] | what a task is: a name, options, a body |
//! | [`registry`] | name to definition |
//! | [`context`] | what a running task may ask of whoever runs it |
//! | [`publish`] | where messages go: a connection of our own, or one of the application |
//! | [`control`] | questions to running services |
//! | [`perform`] | one run of one task, whoever asked for it |
//! | `service` | a whole service inside the application (feature `service`) |
//! | `testing` | testing an application without a service (feature `testing`) |

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod definition;
pub mod context;
pub mod registry;
mod call;
mod error;
mod uuid;
mod submission;
mod batch;
pub mod publish;
pub mod control;
mod outcome;
pub mod perform;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "testing")]
pub mod testing;

pub use batch::{Batch, submit_many};
pub use context::TaskContext;
pub use control::Control;
pub use definition::{Arguments, Definition, Failure, Outcome, Task};
pub use dispatcher_protocol::OnDuplicate;
pub use error::Error;
pub use publish::{Publisher, Target, setup};
pub use registry::{DuplicateTask, Registry};
#[cfg(feature = "service")]
pub use service::Service;
pub use submission::{Published, Submission, submit};

/// Makes a function a task.
pub use dispatcher_macros::task;

// So that the attribute can be used in this crate as in any other.
extern crate self as dispatcher;

//! Background tasks for applications on Postgres: define them, publish them, run them.
//!
//! | module | is for |
//! | --- | --- |
//! | [`definition`] | what a task is: a name, options, a body |
//! | [`registry`] | name to definition |
//! | [`context`] | what a running task may ask of whoever runs it |
//! | [`perform`] | one run of one task, whoever asked for it |
//! | `service` | a whole service inside the application (feature `service`) |

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod definition;
pub mod context;
pub mod registry;
mod call;
mod outcome;
pub mod perform;
#[cfg(feature = "service")]
pub mod service;

pub use context::TaskContext;
pub use definition::{Arguments, Definition, Failure, Outcome, Task};
pub use dispatcher_protocol::OnDuplicate;
pub use registry::{DuplicateTask, Registry};
#[cfg(feature = "service")]
pub use service::Service;

/// Makes a function a task.
pub use dispatcher_macros::task;

// So that the attribute can be used in this crate as in any other.
extern crate self as dispatcher;

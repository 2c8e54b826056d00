//! Background tasks for applications on Postgres: define them, publish them, run them.
//!
//! | module | is for |
//! | --- | --- |
//! | [`definition`] | what a task is: a name, options, a body |
//! | [`registry`] | name to definition |
//! | [`context`] | what a running task may ask of whoever runs it |
//! | [`perform`] | one run of one task, whoever asked for it |

pub mod definition;
pub mod context;
pub mod registry;
pub mod perform;

pub use context::TaskContext;
pub use definition::{Arguments, Definition, Failure, Outcome};
pub use registry::Registry;

//! Background tasks for applications on Postgres: define them, publish them, run them.
//!
//! ```
//! use dispatcher::Publisher;
//!
//! #[dispatcher::task(queue = "test_channel", timeout = "5s")]
//! async fn print_hello(name: String) {
//!     println!("hello {name}!!");
//! }
//!
//! # async fn example() -> Result<(), dispatcher::Error> {
//! dispatcher::setup(Publisher::postgres("dbname=dispatch_db")?);
//!
//! // A service runs it, somewhere:
//! print_hello::delay("world".to_owned()).await?;
//!
//! // It is still a function:
//! print_hello("here".to_owned()).await;
//!
//! // A task of another language, by its name:
//! dispatcher::submit("app.tasks.report").arg(2026).queue("test_channel").await?;
//! # Ok(()) }
//! ```
//!
//! Messages are those of the Python package of the same name, letter for letter.
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
//! | [`worker`] | a program of tasks that the service starts as its worker |

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
#[cfg(feature = "worker")]
pub mod worker;

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

/// Makes a function a task: registered, and publishable by a type of the same name that stands beside it.
///
/// ```
/// use dispatcher::{TaskContext, task};
///
/// #[task(queue = "orders", timeout = "30s", on_duplicate = "serial")]
/// async fn ship(ctx: &TaskContext, order: u64, express: Option<bool>) -> Result<String, std::fmt::Error> {
///     Ok(format!("{order}, as {}", ctx.uuid()))
/// }
///
/// # async fn example() -> Result<(), dispatcher::Error> {
/// ship::delay(17, None).await?;
/// ship::submit(17, Some(true)).queue("urgent").await?;
/// # Ok(()) }
/// ```
///
/// | option | means | default |
/// | --- | --- | --- |
/// | `queue = "orders"` | the channel to publish to | the publisher's |
/// | `timeout = "30s"` | a run is cancelled after that | never |
/// | `delay = "1m"` | it waits in the service before it may begin | not at all |
/// | `on_duplicate = "serial"` | while an equal task waits or runs: `parallel`, `discard`, `serial`, `queue_one` | `parallel` |
/// | `name = "shop.orders.ship"` | the name by which others start it | where the function stands, with dots |
/// | `cancel = "cooperate"` | a cancelled run sees its token and ends by itself | `drop`: dropped where it awaits |
/// | `crate = "some::path"` | where this crate is, if it goes by another name | `dispatcher` |
///
/// Times are a number and a unit (`ms`, `s`, `m`, `h`, `d`), or a number of seconds; at most a year.
///
/// **The function** may be async, or may block: then it runs on a thread of its own. Its first parameter may be its
/// context, `ctx: TaskContext` or `ctx: &TaskContext`. The others are its arguments, of types with `serde::Serialize` and
/// `serde::Deserialize` that it owns; they come by position, by keyword or mixed, and an `Option` may be left out. A call
/// that does not fit fails as `ArgumentError`, with the parameter and its type and never with a value. It gives back
/// `()`, anything with `serde::Serialize`, or a `Result` whose error has `Display`; an error is a failure of its type's name.
///
/// What it cannot be: generic, a method, unsafe, or a function that borrows its arguments. The complaint says what to do
/// instead.
///
/// **What it adds**: an empty type of the function's name and visibility, with `submit` and `delay`, which take the
/// arguments and give a [`Submission`]; an implementation of [`Task`]; and an entry for [`Registry::all`]. No unsafe code.
pub use dispatcher_macros::task;

// So that the attribute can be used in this crate as in any other.
extern crate self as dispatcher;

//! Where messages go: a connection of our own, or one of the application.
//!
//! Waits for no service and learns nothing about what becomes of a task. Where it stands: between a `submission`, which
//! is a text by then, and a broker.

mod line;
mod process;
mod source;
#[cfg(any(feature = "tokio-postgres", feature = "sqlx"))]
mod rows;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres;
#[cfg(feature = "sqlx")]
mod sqlx;
#[cfg(feature = "config")]
mod config;

pub(crate) use process::current;
pub use process::setup;
#[cfg(feature = "testing")]
pub(crate) use process::{Entered, enter, scope, stand_in};
pub(crate) use source::Source;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::{BoxFuture, MemoryHub, Options, Settings};
use dispatcher_protocol::split;

use crate::control::Control;
use crate::error::{Error, Kind};
use crate::uuid::hex;
use line::Line;

/// A message on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it goes.
    pub channel: String,
    /// The message as JSON, whole: whoever sends it cuts it if it is too long.
    pub text: String,
}

/// Shows no text, as it holds arguments.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// What tasks can be published on.
///
/// | target | when it is sent |
/// | --- | --- |
/// | `&Publisher` | at once |
/// | `&tokio_postgres::Client`, `&tokio_postgres::Transaction` (feature `tokio-postgres`) | at once; when the transaction commits |
/// | `&mut sqlx::PgConnection`, `&mut sqlx::PgTransaction`, `&sqlx::PgPool` (feature `sqlx`) | the same |
///
/// What is published in a transaction that is rolled back was never sent.
pub trait Target: Send {
    /// Where messages go that name no channel.
    fn channel(&self) -> Option<&str> {
        None
    }

    /// Sends messages, in order, in as few round trips as can be.
    fn send(self, messages: Vec<Outgoing>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A way out of this process.
pub(crate) trait Outlet: Send + Sync {
    /// Sends messages in order.
    fn send(&self, messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), Error>>;

    /// The bus behind it, if there is one that answers.
    fn source(&self) -> Option<&Source> {
        None
    }
}

/// A connection that tasks are published on. Cheap to clone; clones share it.
///
/// Connects with the first message, and again with the next one after a loss. It never sends a message twice by itself.
/// Submissions that wait for each other go in one round trip.
///
/// ```no_run
/// # async fn example() -> Result<(), dispatcher::Error> {
/// use dispatcher::Publisher;
///
/// let publisher = Publisher::postgres("postgres://app@localhost/shop")?.channel("test_channel");
/// dispatcher::submit("app.tasks.tick").on(&publisher).await?;
///
/// // Or for the whole process:
/// dispatcher::setup(publisher);
/// dispatcher::submit("app.tasks.tick").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Publisher {
    outlet: Arc<dyn Outlet>,
    channel: Option<Arc<str>>,
}

impl Publisher {
    /// Over Postgres: a conninfo string (`host=... dbname=...`) or a URL, as for libpq. `PG*` variables, `.pgpass` and
    /// service files count as they do there.
    ///
    /// # Errors
    /// Settings that cannot work. Nothing is connected yet.
    pub fn postgres(conninfo: &str) -> Result<Self, Error> {
        let config = Settings::from_iter([("conninfo", conninfo)]);
        Self::with_options("pg_notify", Options { config, ..Options::default() })
    }

    /// Over the Unix socket of a service on this machine. There are no channels on it, so none is needed.
    ///
    /// # Errors
    /// A path that cannot be one.
    pub fn socket(path: impl AsRef<Path>) -> Result<Self, Error> {
        let socket_path = Some(path.as_ref().to_owned());
        let made = Self::with_options("socket", Options { socket_path, ..Options::default() })?;
        Ok(made.channel("socket"))
    }

    /// Within this process, where no service listens: for trying things out without a Postgres. A service inside the
    /// application has a publisher of its own, a test has an outbox.
    pub fn memory() -> Self {
        Self::over(Source::Memory(MemoryHub::shared().clone()))
    }

    pub(crate) fn with_options(name: &str, options: Options) -> Result<Self, Error> {
        let source = Source::Named { name: name.to_owned(), options: Box::new(options) };
        source.broker(&[])?;
        Ok(Self::over(source))
    }

    pub(crate) fn over(source: Source) -> Self {
        Self::through(Arc::new(Line::new(source)))
    }

    pub(crate) fn through(outlet: Arc<dyn Outlet>) -> Self {
        Self { outlet, channel: None }
    }

    /// Where messages go that name no channel, neither by themselves nor by their task.
    #[must_use]
    pub fn channel(mut self, channel: impl Into<Arc<str>>) -> Self {
        self.channel = Some(channel.into());
        self
    }

    /// A client that asks the services on the publisher's channel.
    ///
    /// # Errors
    /// The publisher has no channel, or nobody answers where it sends.
    pub fn control(&self) -> Result<Control, Error> {
        let no_channel = "control needs the channel of the services: Publisher::channel(...)";
        let channel = self.channel.clone().ok_or_else(|| Kind::Config(no_channel.to_owned()))?;
        let nobody = "nobody answers control requests here: this publisher keeps what it is given";
        let source = self.outlet.source().ok_or_else(|| Kind::Config(nobody.to_owned()))?;
        Ok(Control::new(source.clone(), channel))
    }
}

impl Target for &Publisher {
    fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    async fn send(self, messages: Vec<Outgoing>) -> Result<(), Error> {
        self.outlet.send(messages).await
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// How long a publish may take, connecting included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The pieces that a bus carries, each at most `limit` bytes.
pub(crate) fn pieces(text: String, limit: usize) -> Result<Vec<String>, Error> {
    if text.len() <= limit { Ok(vec![text]) } else { Ok(split(&text, limit, &hex()?)) }
}

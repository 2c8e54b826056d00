//! What a service in an application is made of.
//!
//! Opens and starts nothing before [`Builder::run`] or [`Builder::start`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use dispatcher_broker::{Broker, Here, Options, PgNotify, SocketServer};
use dispatcher_service::config::{self, Config, Source};
use dispatcher_service::{Embedding, RunOptions};
use serde_json::Value;

use super::performer::Registered;
use super::{Running, ServiceError, step};
use crate::registry::Registry;

/// How many tasks run at once when nobody says; as for a worker program.
const SLOTS: u16 = 10;

/// The channel of publishers in the same process when nobody names another.
pub(super) const CHANNEL: &str = "here";

/// Describes a service; see [`crate::Service::builder`].
#[derive(Default)]
#[must_use = "a service does nothing until it is run or started"]
pub struct Builder {
    config: Vec<Source>,
    brokers: Vec<Wanted>,
    registry: Option<Registry>,
    slots: Option<u16>,
    handles_signals: bool,
    program: Option<PathBuf>,
    verbose: bool,
}

/// A broker that the builder was told of.
enum Wanted {
    PgNotify { conninfo: String, channels: Vec<String> },
    Socket(PathBuf),
}

impl Builder {
    /// Reads this file, as `dispatcher serve` does.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.push(Source::File(path.into()));
        self
    }

    /// The same as a value.
    pub fn config_value(mut self, config: &Value) -> Self {
        self.config.push(Source::Text {
            name: "the application's configuration".to_owned(),
            text: config.to_string(),
        });
        self
    }

    /// Listens to notifications on these channels of a database; `conninfo` is a connection string or URL.
    pub fn pg_notify(mut self, conninfo: &str, channels: &[&str]) -> Self {
        let channels = channels.iter().map(|&channel| channel.to_owned()).collect();
        self.brokers.push(Wanted::PgNotify { conninfo: conninfo.to_owned(), channels });
        self
    }

    /// Listens on a Unix socket.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.brokers.push(Wanted::Socket(path.into()));
        self
    }

    /// The tasks that run inside this process; every task of the program when nobody says. Beside `pools` of the configuration
    /// an empty one leaves all tasks to them.
    pub fn registry(self, registry: Registry) -> Self {
        Self { registry: Some(registry), ..self }
    }

    /// How many of them run at once; 10.
    pub fn slots(self, slots: u16) -> Self {
        Self { slots: Some(slots), ..self }
    }

    /// Lets SIGTERM, SIGINT and SIGHUP stop the service. By default signals are the application's.
    pub fn handle_signals(self) -> Self {
        Self { handles_signals: true, ..self }
    }

    /// The program `dispatcher`, for a configuration with `pools`: it makes a process a worker. Without it that is this program
    /// if its `main` begins with [`become_worker_if_asked`](super::become_worker_if_asked), else what `PATH` finds.
    pub fn program(self, path: impl Into<PathBuf>) -> Self {
        Self { program: Some(path.into()), ..self }
    }

    /// Logs each ordinary start and end of a task, at the level `debug`.
    pub fn verbose(self) -> Self {
        Self { verbose: true, ..self }
    }

    /// Runs on the present runtime until the service is told to stop, by a signal or a control request.
    pub async fn run(self) -> Result<(), ServiceError> {
        self.start()?.ended().await
    }

    /// Begins on the present runtime, and comes back at once. Errors: what is wrong with the description.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Result<Running, ServiceError> {
        let config = self.config()?;
        let here = Here::new(&[CHANNEL]);
        let mut embedding = Embedding::new().broker(Arc::clone(&here) as Arc<dyn Broker>);
        for wanted in &self.brokers {
            embedding = embedding.broker(wanted.build()?);
        }
        let registry = self.registry.map_or_else(Registry::all, Ok)?;
        let has_pools = config.raw.get("pools").is_some();
        if !has_pools || !registry.names().is_empty() {
            embedding = embedding.inside(Arc::new(Registered(registry)), self.slots.unwrap_or(SLOTS));
        }
        if self.handles_signals {
            embedding = embedding.handle_signals();
        }
        if has_pools && let Some(program) = step::program(self.program)? {
            embedding = embedding.program(program);
        }
        let options = RunOptions { verbose: self.verbose, ..RunOptions::default() };
        let remote = embedding.remote();
        let closing = Closing(Arc::clone(&here));
        let end = tokio::spawn(async move {
            let _closing = closing;
            Ok(embedding.serve(config, options).await?)
        });
        Ok(Running { remote, here, end })
    }

    fn config(&self) -> Result<Config, ServiceError> {
        let source = match self.config.as_slice() {
            [] => Source::Text {
                name: "the default configuration".to_owned(),
                text: r#"{"version": 2}"#.to_owned(),
            },
            [source] => source.clone(),
            _ => {
                let why = "a service has one configuration; call config_file or config_value once";
                return Err(ServiceError::Builder(why.to_owned()));
            }
        };
        config::load(source).map_err(|complaints| ServiceError::Config(Box::new(complaints)))
    }
}

/// However a service ends, nobody waits to publish to it.
struct Closing(Arc<Here>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Builder {
    /// Connection strings and configurations may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("registry", &self.registry)
            .field("slots", &self.slots)
            .field("handles_signals", &self.handles_signals)
            .finish_non_exhaustive()
    }
}

impl Wanted {
    fn build(&self) -> Result<Arc<dyn Broker>, ServiceError> {
        let built: Result<Arc<dyn Broker>, _> = match self {
            Self::PgNotify { conninfo, channels } => {
                let config = [("conninfo", conninfo.clone())].into_iter().collect();
                let options = Options { config, channels: channels.clone(), ..Options::default() };
                PgNotify::new(options).map(|broker| Arc::new(broker) as Arc<dyn Broker>)
            }
            Self::Socket(path) => {
                let options = Options { socket_path: Some(path.clone()), ..Options::default() };
                SocketServer::new(options).map(|broker| Arc::new(broker) as Arc<dyn Broker>)
            }
        };
        built.map_err(|error| ServiceError::Builder(error.to_string()))
    }
}

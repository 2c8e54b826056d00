//! A service inside an application: what the application adds to the configuration, and how it speaks with its service.
//!
//! Where it stands: beside `run`, which the command line uses. An embedded service installs no signal handlers unless it is
//! told to, tells no service manager anything, and never ends the process: the application owns all of that.

use std::path::PathBuf;
use std::sync::Arc;

use dispatcher_broker::Broker;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::RunError;
use crate::config::Config;
use crate::inbox::{INBOX, Inbox};
use crate::run::{RunOptions, serve};
use crate::worker::inside::Performer;
use crate::worker::launch::Ground;

/// A service that is to run inside an application.
pub struct Embedding {
    pub(crate) inside: Option<InsidePool>,
    pub(crate) brokers: Vec<Arc<dyn Broker>>,
    pub(crate) handles_signals: bool,
    pub(crate) ground: Ground,
    pub(crate) inbox: (mpsc::Sender<Inbox>, mpsc::Receiver<Inbox>),
}

/// The pool whose workers live in this process.
pub(crate) struct InsidePool {
    pub(crate) performer: Arc<dyn Performer>,
    /// How many tasks run at once.
    pub(crate) slots: u16,
}

/// How an application speaks with the service inside it. Cheap to clone; of no use once the service has ended.
#[derive(Clone, Debug)]
pub struct Remote {
    inbox: mpsc::Sender<Inbox>,
}

/// The service has ended, or was never begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

impl Default for Embedding {
    fn default() -> Self {
        Self::new()
    }
}

impl Embedding {
    /// Nothing beside the configuration.
    pub fn new() -> Self {
        Self {
            inside: None,
            brokers: Vec::new(),
            handles_signals: false,
            ground: Ground { alone: false, step: None },
            inbox: mpsc::channel(INBOX),
        }
    }

    /// The whole process is the service's.
    pub(crate) fn alone() -> Self {
        Self { handles_signals: true, ground: Ground { alone: true, step: None }, ..Self::new() }
    }

    /// Runs tasks inside this process, so many at once; at least one.
    #[must_use]
    pub fn inside(self, performer: Arc<dyn Performer>, slots: u16) -> Self {
        Self { inside: Some(InsidePool { performer, slots: slots.max(1) }), ..self }
    }

    /// A broker beside those of the configuration.
    #[must_use]
    pub fn broker(mut self, broker: Arc<dyn Broker>) -> Self {
        self.brokers.push(broker);
        self
    }

    /// The program `dispatcher`, which stands between the service and its worker processes. Without it that is the program
    /// we are in, whose `main` has to begin with [`become_worker`](crate::become_worker).
    #[must_use]
    pub fn program(mut self, program: PathBuf) -> Self {
        self.ground.step = Some(program);
        self
    }

    /// Lets SIGTERM, SIGINT and SIGHUP stop the service.
    #[must_use]
    pub fn handle_signals(self) -> Self {
        Self { handles_signals: true, ..self }
    }

    /// What the application speaks with the service by.
    pub fn remote(&self) -> Remote {
        Remote { inbox: self.inbox.0.clone() }
    }

    /// Runs on the present runtime until it is told to stop. Dropping the future ends the service as if it were killed.
    pub async fn serve(self, config: Config, options: RunOptions) -> Result<(), RunError> {
        serve(config, options, self).await
    }
}

impl Remote {
    /// Begins the stop: no more tasks are taken, and running ones may finish within `service.shutdown_grace`. Said again, it
    /// changes nothing.
    pub async fn stop(&self) -> Result<(), Ended> {
        self.send(Inbox::Stop { hurry: false }).await
    }

    /// As [`Remote::stop`], and running tasks are cancelled now.
    pub async fn hurry(&self) -> Result<(), Ended> {
        self.send(Inbox::Stop { hurry: true }).await
    }

    /// Waits until a message that is sent would be heard and run: every broker listens, a worker is ready.
    pub async fn ready(&self) -> Result<(), Ended> {
        let (tell, told) = oneshot::channel();
        self.send(Inbox::WhenReady(tell)).await?;
        told.await.map_err(|_| Ended)
    }

    /// A control request; the reply as the service gives it, with `error` in it when it could not be done.
    pub async fn control(
        &self,
        command: &str,
        data: Map<String, Value>,
    ) -> Result<Map<String, Value>, Ended> {
        let (answer, answered) = oneshot::channel();
        self.send(Inbox::Ask { from: None, command: command.to_owned(), data, answer }).await?;
        answered.await.map_err(|_| Ended)
    }

    async fn send(&self, news: Inbox) -> Result<(), Ended> {
        self.inbox.send(news).await.map_err(|_| Ended)
    }
}

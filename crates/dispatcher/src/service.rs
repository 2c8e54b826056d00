//! A whole service inside an application: it listens, decides, and runs the application's tasks on the application's own
//! tokio runtime. Feature `service`.
//!
//! Ends no process, installs no signal handlers unless told to, and holds nothing global: several can live in one process.

mod builder;
mod error;
mod performer;
mod step;

pub use builder::Builder;
pub use error::ServiceError;
pub use step::become_worker_if_asked;

use std::sync::Arc;

use dispatcher_broker::{BoxFuture, Here};
use dispatcher_service::Remote;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::{Error, Kind};
use crate::publish::{Outgoing, Outlet, PATIENCE, Publisher};

/// A service inside this application; begin with [`Service::builder`].
#[derive(Debug)]
pub struct Service;

impl Service {
    /// Describes a service.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// A service that runs. Dropping it ends the service at once: tasks that await are dropped where they await. Ask it to
/// [`stop`](Running::stop) instead.
#[derive(Debug)]
pub struct Running {
    remote: Remote,
    here: Arc<Here>,
    end: JoinHandle<Result<(), ServiceError>>,
}

impl Running {
    /// Waits until a task that is published would be heard and run.
    pub async fn ready(&mut self) -> Result<(), ServiceError> {
        match self.remote.ready().await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.why().await),
        }
    }

    /// Takes no more tasks, lets the running ones finish within `service.shutdown_grace`, and waits for the end.
    pub async fn stop(self) -> Result<(), ServiceError> {
        // One that has ended says below how.
        let _ = self.remote.stop().await;
        self.ended().await
    }

    /// As [`Running::stop`], and running tasks are cancelled now.
    pub async fn hurry(self) -> Result<(), ServiceError> {
        let _ = self.remote.hurry().await;
        self.ended().await
    }

    /// Waits for the end of the service, whoever asks for it.
    pub async fn ended(mut self) -> Result<(), ServiceError> {
        (&mut self.end).await.unwrap_or_else(|error| Err(ServiceError::of_join(error)))
    }

    /// What other parts of the application speak with it by.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Publishes to this service alone, within the process.
    ///
    /// Waits while 10,000 messages that came this way have not ended, for 10 s at most: a task that publishes very many has to
    /// mind that they may wait for its own slot.
    pub fn publisher(&self) -> Publisher {
        Publisher::through(Arc::new(ToHere(Arc::clone(&self.here)))).channel(builder::CHANNEL)
    }

    /// Hands a message over that is text already, as any publisher writes it; as soon as there is room.
    pub async fn deliver(&self, text: String) -> Result<(), ServiceError> {
        self.here.send(builder::CHANNEL, text).await.map_err(|_| ServiceError::Ended)
    }

    /// A control request, as `dispatcher ctl` sends them; the reply has `error` in it when it could not be done.
    pub async fn control(
        &self,
        command: &str,
        data: Map<String, Value>,
    ) -> Result<Map<String, Value>, ServiceError> {
        self.remote.control(command, data).await.map_err(|_| ServiceError::Ended)
    }

    /// Why it is not there any more.
    async fn why(&mut self) -> ServiceError {
        match (&mut self.end).await {
            Ok(Ok(())) => ServiceError::Ended,
            Ok(Err(error)) => error,
            Err(error) => ServiceError::of_join(error),
        }
    }
}

/// The way out of this process that stays in it.
struct ToHere(Arc<Here>);

impl Outlet for ToHere {
    fn send(&self, messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            for Outgoing { channel, text } in messages {
                let sent = timeout(PATIENCE, self.0.send(&channel, text)).await;
                sent.map_err(|_| Error::from(Kind::TimedOut(FULL.to_owned())))??;
            }
            Ok(())
        })
    }
}

const FULL: &str = "the service in this process has no room: too much that was published here has not ended";

impl Drop for Running {
    fn drop(&mut self) {
        self.end.abort();
    }
}

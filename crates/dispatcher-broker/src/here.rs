//! A broker for publishers in the service's own process: what they publish goes straight into the service's inbox.
//!
//! Unlike the memory hub it has one listener and keeps nothing: a publisher waits for a service that is not there yet, and while
//! too much that was published here has not ended. So nothing is dropped for want of room, and nothing leaves the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, TryAcquireError, watch};

use crate::{BoxFuture, Broker, BrokerError, Delivery, FromBroker, Publish, Settled, Sink};

/// How many messages may be under way, from their publishing to the end of what they started. Far fewer than a service
/// holds, so that other publishers find room beside these.
const UNDER_WAY: usize = 10_000;

/// Room is given back so much at a time: a publisher that waits is not woken for each message that has ended.
const AT_A_TIME: usize = 256;

/// The way from a process to the service inside it.
#[derive(Debug)]
pub struct Here {
    channels: Vec<Arc<str>>,
    /// None until somebody listens; then the way to them.
    line: watch::Sender<Option<Sink>>,
    room: Semaphore,
    /// Room that is not given back yet.
    ended: AtomicUsize,
}

impl Here {
    /// A broker for these channels; what is published to others is refused.
    pub fn new(channels: &[impl AsRef<str>]) -> Arc<Self> {
        let channels = channels.iter().map(|name| Arc::from(name.as_ref())).collect();
        Arc::new(Self {
            channels,
            line: watch::Sender::new(None),
            room: Semaphore::new(UNDER_WAY),
            ended: AtomicUsize::new(0),
        })
    }

    async fn session(&self, sink: Sink) -> Result<(), BrokerError> {
        sink.send(FromBroker::Listening).await?;
        self.line.send_replace(Some(sink.clone()));
        sink.closed().await;
        self.room.close();
        Ok(())
    }

    fn channel(&self, name: &str) -> Result<&Arc<str>, BrokerError> {
        self.channels.iter().find(|known| &***known == name).ok_or_else(|| BrokerError::Rejected {
            channel: name.to_owned(),
            reason: format!("the service in this process listens on {}", self.channels.join(", ")),
        })
    }
}

impl Broker for Here {
    fn name(&self) -> &'static str {
        "here"
    }

    fn channels(&self) -> &[Arc<str>] {
        &self.channels
    }

    /// Nothing has to be cut in pieces on the way.
    fn max_payload(&self) -> usize {
        usize::MAX
    }

    fn listen(&self, sink: Sink) -> BoxFuture<'_, BrokerError> {
        Box::pin(async move { self.session(sink).await.err().unwrap_or(BrokerError::Closed) })
    }

    fn settle(&self, _handle: u64, _settled: Settled) {
        if self.ended.fetch_add(1, Ordering::Relaxed) + 1 >= AT_A_TIME {
            self.room.add_permits(self.ended.swap(0, Ordering::Relaxed));
        }
    }

    /// Control replies go nowhere: whoever is here asks the service itself.
    fn publisher(&self) -> Box<dyn Publish> {
        Box::new(Deaf)
    }
}

/// Publishes to a service in the same process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HerePublisher {
    broker: Arc<Here>,
    line: watch::Receiver<Option<Sink>>,
    sink: Option<Sink>,
}

impl HerePublisher {
    /// A publisher for whatever service listens, now or later.
    pub fn new(broker: Arc<Here>) -> Self {
        let line = broker.line.subscribe();
        Self { broker, line, sink: None }
    }

    /// Hands one payload over, as soon as there is room. [`BrokerError::Closed`] when the service has ended.
    ///
    /// A task that publishes more than there is room for waits for tasks that wait for it: it should
    /// [try](HerePublisher::try_send).
    pub async fn send(&mut self, channel: &str, payload: String) -> Result<(), BrokerError> {
        self.broker.room.acquire().await.map_err(|_| BrokerError::Closed)?.forget();
        self.hand_over(channel, payload).await
    }

    /// As [`HerePublisher::send`]; a retryable error when there is no room now.
    pub async fn try_send(&mut self, channel: &str, payload: String) -> Result<(), BrokerError> {
        match self.broker.room.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::Closed) => return Err(BrokerError::Closed),
            Err(TryAcquireError::NoPermits) => {
                let reason = format!("{UNDER_WAY} messages of this process have not ended yet");
                return Err(BrokerError::Failed { target: "the service in this process".to_owned(), reason });
            }
        }
        self.hand_over(channel, payload).await
    }

    /// With the room for one taken, which its end gives back.
    async fn hand_over(&mut self, channel: &str, payload: String) -> Result<(), BrokerError> {
        let given_back = |error| {
            self.broker.room.add_permits(1);
            error
        };
        let channel = Arc::clone(self.broker.channel(channel).map_err(given_back)?);
        if self.sink.is_none() {
            let listening = self.line.wait_for(Option::is_some).await.map_err(|_| BrokerError::Closed)?;
            self.sink.clone_from(&listening);
        }
        let Some(sink) = &self.sink else { return Err(BrokerError::Closed) };
        sink.send(FromBroker::Delivery(Delivery { channel, payload, handle: 0 })).await
    }
}

impl Publish for HerePublisher {
    fn publish<'a>(
        &'a mut self,
        channel: &'a str,
        payloads: &'a [String],
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            for payload in payloads {
                self.send(channel, payload.clone()).await?;
            }
            Ok(())
        })
    }
}

struct Deaf;

impl Publish for Deaf {
    fn publish<'a>(&'a mut self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async { Ok(()) })
    }
}

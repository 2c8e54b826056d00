//! A broker for publishers in the service's own process: what they publish goes straight into the service's inbox.
//!
//! Unlike the memory hub it has one listener and keeps nothing: a publisher waits for a service that is not there yet, and while
//! too much that was published here has not ended. So nothing is dropped for want of room, and nothing leaves the process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, watch};

use crate::{BoxFuture, Broker, BrokerError, Delivery, FromBroker, Publish, Settled, Sink};

/// How many messages may be under way, from their publishing to the end of what they started. Far fewer than a service
/// holds, so that other publishers find room beside these.
const UNDER_WAY: usize = 10_000;

/// Room is given back so much at a time: a publisher that waits is not woken for each message that has ended.
const AT_A_TIME: usize = 256;

/// The way from a process to the one service inside it.
#[derive(Debug)]
pub struct Here {
    channels: Vec<Arc<str>>,
    /// Set when the service listens; it does so once.
    sink: OnceLock<Sink>,
    /// Whether it is set.
    listens: watch::Sender<bool>,
    room: Semaphore,
    /// Room that is not given back yet.
    ended: AtomicUsize,
}

impl Here {
    /// A broker that says it has these channels. It takes messages for others too: whoever is here is trusted with names.
    pub fn new(channels: &[impl AsRef<str>]) -> Arc<Self> {
        Arc::new(Self {
            channels: channels.iter().map(|name| Arc::from(name.as_ref())).collect(),
            sink: OnceLock::new(),
            listens: watch::Sender::new(false),
            room: Semaphore::new(UNDER_WAY),
            ended: AtomicUsize::new(0),
        })
    }

    /// Hands one payload over, as soon as somebody listens and there is room. [`BrokerError::Closed`] when the service has
    /// ended.
    ///
    /// A task that publishes more than there is room for waits for tasks that wait for it: it should not wait for ever.
    pub async fn send(&self, channel: &str, payload: String) -> Result<(), BrokerError> {
        if self.sink.get().is_none() {
            let mut listens = self.listens.subscribe();
            listens.wait_for(|listens| *listens).await.map_err(|_| BrokerError::Closed)?;
        }
        let sink = self.sink.get().ok_or(BrokerError::Closed)?;
        // Its end gives it back.
        self.room.acquire().await.map_err(|_| BrokerError::Closed)?.forget();
        let known = self.channels.iter().find(|known| &***known == channel);
        let channel = known.map_or_else(|| Arc::from(channel), Arc::clone);
        sink.send(FromBroker::Delivery(Delivery { channel, payload, handle: 0 })).await
    }

    async fn session(&self, sink: Sink) -> Result<(), BrokerError> {
        sink.send(FromBroker::Listening).await?;
        if self.sink.set(sink.clone()).is_ok() {
            self.listens.send_replace(true);
        }
        sink.closed().await;
        Ok(())
    }

    /// Nobody listens any more: whoever waits has waited enough.
    pub fn close(&self) {
        self.room.close();
        self.listens.send_replace(true);
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

struct Deaf;

impl Publish for Deaf {
    fn publish<'a>(&'a mut self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async { Ok(()) })
    }
}

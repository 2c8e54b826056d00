//! The roles of a message bus, as the service and the clients see them.
//!
//! Holds no state and opens no connection. Push brokers (notifications, memory) leave [`Broker::settle`] and
//! [`Broker::demand`] alone: a full [`Sink`] is what slows them down.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::BrokerError;

/// A boxed future, so that [`Broker`] and [`Publish`] can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One message as it came from a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The channel it was published to.
    pub channel: Arc<str>,
    /// The text, untouched.
    pub payload: String,
    /// What [`Broker::settle`] needs to find it again; 0 from push brokers.
    pub handle: u64,
}

/// What a listening session tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBroker {
    /// Connected, and subscribed to every channel: what is published from now on arrives.
    Listening,
    /// A message.
    Delivery(Delivery),
    /// Nothing more comes over this channel. It stays open for the replies to what came, until it is told by
    /// [`Publish::end`] that there are none left.
    Ended(Arc<str>),
}

/// How a delivery ended, for brokers that keep it until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It is over, well or badly: forget it.
    Acknowledged,
    /// It failed and may be tried again.
    Retry,
    /// It was not begun: another service may have it.
    Released,
}

/// The line proves itself from time to time by a message to itself; this is how that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelfCheckStats {
    /// Whether there is such a check.
    pub enabled: bool,
    /// Checks whose message came back in time, over all sessions. The one at the start of a session is not counted.
    pub success_count: u64,
    /// Checks whose message did not come back in time; each ended its session.
    pub failure_count: u64,
    /// The sum of their round trips.
    pub total: Duration,
    /// The longest of them.
    pub max: Duration,
}

impl SelfCheckStats {
    /// The mean round trip; none before the first success.
    pub fn average(&self) -> Option<Duration> {
        let count = u32::try_from(self.success_count).unwrap_or(u32::MAX);
        (count > 0).then(|| self.total / count)
    }
}

/// The near end of the inbox of whoever listens. The channel is bounded by its maker: a full one makes the
/// session wait, and a waiting session reads no more from its bus.
#[derive(Clone)]
pub struct Sink {
    id: u16,
    sender: mpsc::Sender<(u16, FromBroker)>,
    listening: Option<Arc<AtomicBool>>,
}

impl Sink {
    /// `id` comes back with everything that is sent, so that one receiver can serve several brokers.
    pub fn new(id: u16, sender: mpsc::Sender<(u16, FromBroker)>) -> Self {
        Self { id, sender, listening: None }
    }

    /// Sets this flag as soon as the session says that it listens, however much waits in the channel before that news.
    #[must_use]
    pub fn watched(self, listening: Arc<AtomicBool>) -> Self {
        Self { listening: Some(listening), ..self }
    }

    /// Hands one thing over; waits while the receiver is full. [`BrokerError::Closed`] when it is gone.
    pub async fn send(&self, what: FromBroker) -> Result<(), BrokerError> {
        if let (FromBroker::Listening, Some(listening)) = (&what, &self.listening) {
            listening.store(true, Ordering::Relaxed);
        }
        match self.sender.try_send((self.id, what)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(what)) => self.sender.send(what).await.map_err(|_| BrokerError::Closed),
            Err(TrySendError::Closed(_)) => Err(BrokerError::Closed),
        }
    }

    /// Waits until the receiver is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({})", self.id)
    }
}

/// One message bus.
pub trait Broker: Send + Sync + 'static {
    /// Its name in the config.
    fn name(&self) -> &str;

    /// The channels it listens on.
    fn channels(&self) -> &[Arc<str>];

    /// The longest payload it carries, in bytes. Longer messages are split by the caller.
    fn max_payload(&self) -> usize;

    /// What an operator should hear about once, at the start: settings that work and are not good.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// One session: connects, subscribes to all channels, says [`FromBroker::Listening`], then forwards deliveries
    /// until the line breaks. Returns only the reason. Dropping the future ends the session.
    fn listen(&self, sink: Sink) -> BoxFuture<'_, BrokerError>;

    /// The sending side. Opens nothing: the connection is made by the first [`Publish::publish`], and made anew
    /// by the next one after a loss.
    fn publisher(&self) -> Box<dyn Publish>;

    /// A delivery has left the engine. Push brokers have nothing to do.
    fn settle(&self, _handle: u64, _settled: Settled) {}

    /// How many more tasks the engine can begin now. Push brokers have nothing to do.
    fn demand(&self, _free: usize) {}

    /// Where the reply to a request goes: to the channel that it names, unless the bus answers each request on the
    /// connection it came by.
    fn reply_channel<'a>(&self, _came_by: &'a str, named: &'a str) -> &'a str {
        named
    }

    /// The self-check of the listening line; none where there is nothing to check.
    fn self_check(&self) -> Option<SelfCheckStats> {
        None
    }

    /// What was turned away or cut off because it went beyond a bound: how often, by reason, since the start.
    fn refusals(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// The sending side of a broker. One owner, one connection.
pub trait Publish: Send {
    /// Sends payloads in order, in one round trip. After an error none or all of them may have been sent; an error
    /// whose [`BrokerError::is_retryable`] is false means none was.
    fn publish<'a>(
        &'a mut self,
        channel: &'a str,
        payloads: &'a [String],
    ) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// How full the queue is in which the bus keeps what not everyone has heard yet, from 0 to 1; none where nobody can
    /// tell. Asked on the same connection.
    fn queue_usage(&mut self) -> BoxFuture<'_, Result<Option<f64>, BrokerError>> {
        Box::pin(async { Ok(None) })
    }

    /// Everything has been published to a channel that [`FromBroker::Ended`] named. Other channels have no end.
    fn end(&mut self, _channel: &str) {}
}

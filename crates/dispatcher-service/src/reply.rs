//! One task a broker: control replies go out, in pieces where they are long.
//!
//! Replies use a connection of their own, so a bad reply channel can never touch the listener. A reply that
//! cannot be sent is dropped with one line in the log: its requester has long given up by then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dispatcher_broker::{Broker, BrokerError, Publish};
use dispatcher_protocol::split;
use tokio::sync::mpsc;
use tracing::warn;

/// How many replies may wait to be sent; more are dropped, each with a line in the log. More than there can be
/// requests waiting, so that whoever asks many things at once over a socket is answered each of them.
const REPLIES: usize = 2048;

/// How many bytes of replies may wait to be sent before requests are refused: a few of the longest.
const WAITING: usize = 8 * 1024 * 1024;

/// How long one reply may take, connecting included. Requesters wait for seconds at most.
const SEND_WAIT: Duration = Duration::from_secs(5);

/// One reply on its way.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) channel: String,
    /// None says that the channel gets nothing more.
    pub(crate) text: Option<String>,
}

/// The driver's end.
pub(crate) struct Replies {
    // Owner of the other end: the replier. Bounded by REPLIES, and by WAITING.
    queue: mpsc::Sender<Reply>,
    /// The bytes of what waits, the one being sent included.
    bytes: Arc<AtomicUsize>,
}

impl Replies {
    /// Whether another request may be answered.
    pub(crate) fn have_room(&self) -> bool {
        self.queue.capacity() > 0 && self.bytes.load(Ordering::Relaxed) < WAITING
    }

    /// Whether so little waits that a refusal, too, may be said.
    pub(crate) fn are_few(&self) -> bool {
        self.waiting() < REPLIES / 16 && self.have_room()
    }

    /// Never waits; false when too many wait already.
    pub(crate) fn send(&self, reply: Reply) -> bool {
        let bytes = reply.text.as_ref().map_or(0, String::len);
        let sent = self.queue.try_send(reply).is_ok();
        if sent {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        sent
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Whether the replier is gone.
    pub(crate) fn are_closed(&self) -> bool {
        self.queue.is_closed()
    }
}

/// The replier of a broker, and the driver's end of it. It sends replies until the driver is gone; those that wait then
/// are sent first.
pub(crate) fn replier(broker: Arc<dyn Broker>) -> (Replies, impl Future<Output = ()> + Send + 'static) {
    let (queue, waiting) = mpsc::channel(REPLIES);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Replies { queue, bytes: Arc::clone(&bytes) }, run(broker, waiting, bytes))
}

async fn run(broker: Arc<dyn Broker>, mut replies: mpsc::Receiver<Reply>, bytes: Arc<AtomicUsize>) {
    let mut publisher = broker.publisher();
    let limit = broker.max_payload();
    while let Some(Reply { channel, text }) = replies.recv().await {
        let Some(text) = text else {
            publisher.end(&channel);
            continue;
        };
        let length = text.len();
        let payloads = if length > limit { split(&text, limit, &message_id()) } else { vec![text] };
        if let Err(why) = send(publisher.as_mut(), &channel, &payloads).await {
            warn!(target: "dispatcher.control", broker = broker.name(), "a control reply was not sent: {why}");
        }
        bytes.fetch_sub(length, Ordering::Relaxed);
    }
}

/// Sends, and once more when the connection turned out to be dead: it may have been idle for hours.
async fn send(publisher: &mut dyn Publish, channel: &str, payloads: &[String]) -> Result<(), String> {
    match in_time(publisher, channel, payloads).await {
        Ok(Err(error)) if error.is_retryable() => in_time(publisher, channel, payloads).await,
        first => first,
    }?
    .map_err(|error| error.to_string())
}

async fn in_time(
    publisher: &mut dyn Publish,
    channel: &str,
    payloads: &[String],
) -> Result<Result<(), BrokerError>, String> {
    tokio::time::timeout(SEND_WAIT, publisher.publish(channel, payloads))
        .await
        .map_err(|_| format!("no answer within {} s", SEND_WAIT.as_secs()))
}

/// The id of a reply in pieces: random enough that no two services ever use the same.
fn message_id() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

//! One task a broker: control replies go out, in pieces where they are long.
//!
//! On the same connection it asks how full the broker's queue is, when metrics want to know and no reply waits.
//!
//! Replies use a connection of their own, so a bad reply channel can never touch the listener. A reply that
//! cannot be sent is dropped with one line in the log: its requester has long given up by then.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dispatcher_broker::{Broker, BrokerError, Publish};
use dispatcher_protocol::split;
use tokio::sync::{Notify, mpsc};
use tracing::{debug, warn};

/// How many replies may wait to be sent; more are dropped, each with a line in the log. More than there can be
/// requests waiting, so that whoever asks many things at once over a socket is answered each of them.
const REPLIES: usize = 2048;

/// How many bytes of replies may wait to be sent before requests are refused: a few of the longest.
const WAITING: usize = 8 * 1024 * 1024;

/// How long one reply may take, connecting included. Requesters wait for seconds at most.
const SEND_WAIT: Duration = Duration::from_secs(5);

/// For how long an answer to how full the queue is counts.
const USAGE_KEPT: Duration = Duration::from_secs(15);
/// How long that question may take: replies wait for it.
const USAGE_WAIT: Duration = Duration::from_secs(1);
/// From here on each answer is a warning.
const USAGE_WARNED: f64 = 0.1;

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
    shared: Arc<Shared>,
    /// When the broker was last asked how full its queue is.
    asked: Cell<Option<Instant>>,
}

/// What both ends see.
#[derive(Default)]
struct Shared {
    /// The bytes of what waits, the one being sent included.
    bytes: AtomicUsize,
    /// Somebody wants to know how full the broker's queue is.
    wanted: Notify,
    /// The last answer, as the bits of an `f64`; NaN is none.
    usage: AtomicU64,
}

impl Replies {
    /// Whether another request may be answered.
    pub(crate) fn have_room(&self) -> bool {
        self.queue.capacity() > 0 && self.shared.bytes.load(Ordering::Relaxed) < WAITING
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
            self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        sent
    }

    /// How full the broker's queue was when it was last asked, from 0 to 1; none if it does not say. Has it asked anew
    /// when that is long ago, so whoever asks again and again is told what is.
    pub(crate) fn queue_usage(&self, now: Instant) -> Option<f64> {
        if self.asked.get().is_none_or(|asked| now.saturating_duration_since(asked) >= USAGE_KEPT) {
            self.asked.set(Some(now));
            self.shared.wanted.notify_one();
        }
        Some(f64::from_bits(self.shared.usage.load(Ordering::Relaxed))).filter(|usage| usage.is_finite())
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
    let shared = Arc::new(Shared { usage: AtomicU64::new(f64::NAN.to_bits()), ..Shared::default() });
    (Replies { queue, shared: Arc::clone(&shared), asked: Cell::default() }, run(broker, waiting, shared))
}

async fn run(broker: Arc<dyn Broker>, mut replies: mpsc::Receiver<Reply>, shared: Arc<Shared>) {
    let mut publisher = broker.publisher();
    let limit = broker.max_payload();
    loop {
        let reply = tokio::select! {
            biased;
            reply = replies.recv() => reply,
            () = shared.wanted.notified() => {
                let usage = usage(publisher.as_mut(), broker.name()).await.unwrap_or(f64::NAN);
                shared.usage.store(usage.to_bits(), Ordering::Relaxed);
                continue;
            }
        };
        let Some(Reply { channel, text }) = reply else { return };
        let Some(text) = text else {
            publisher.end(&channel);
            continue;
        };
        let length = text.len();
        let payloads = if length > limit { split(&text, limit, &message_id()) } else { vec![text] };
        if let Err(why) = send(publisher.as_mut(), &channel, &payloads).await {
            warn!(target: "dispatcher.control", broker = broker.name(), "a control reply was not sent: {why}");
        }
        shared.bytes.fetch_sub(length, Ordering::Relaxed);
    }
}

/// Asks how full the broker's queue is, and warns while there is still much room.
async fn usage(publisher: &mut dyn Publish, broker: &str) -> Option<f64> {
    match tokio::time::timeout(USAGE_WAIT, publisher.queue_usage()).await {
        Ok(Ok(usage)) => {
            if let Some(usage) = usage.filter(|usage| *usage >= USAGE_WARNED) {
                let percent = (usage * 100.0).round();
                warn!(target: "dispatcher.broker", broker, percent, "the queue of notifications fills up: somebody in this Postgres listens and does not read, this service or another; see pg_stat_activity for old transactions");
            }
            usage
        }
        Ok(Err(error)) => {
            debug!(target: "dispatcher.broker", broker, "cannot ask how full the queue of notifications is: {error}");
            None
        }
        Err(_) => None,
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

#[cfg(test)]
mod tests {
    use dispatcher_broker::{BoxFuture, MemoryHub};

    use super::*;

    /// Answers with what it holds, once; then never.
    struct Asked(Option<Result<Option<f64>, BrokerError>>);

    impl Publish for Asked {
        fn publish<'a>(&'a mut self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<(), BrokerError>> {
            Box::pin(async { Ok(()) })
        }

        fn queue_usage(&mut self) -> BoxFuture<'_, Result<Option<f64>, BrokerError>> {
            match self.0.take() {
                Some(answer) => Box::pin(async { answer }),
                None => Box::pin(std::future::pending()),
            }
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_usage_of_a_queue_is_what_the_broker_says_or_nothing_and_never_waited_for_long() {
        let mut asked = Asked(Some(Ok(Some(0.5))));
        assert_eq!(usage(&mut asked, "b").await, Some(0.5));
        let began = Instant::now();
        assert_eq!(usage(&mut asked, "b").await, None);
        assert!(began.elapsed() >= USAGE_WAIT);
        assert_eq!(usage(&mut Asked(Some(Err(BrokerError::Closed))), "b").await, None);
    }

    #[test]
    fn a_broker_is_asked_again_only_when_its_answer_is_old_and_replies_beyond_the_bound_are_not_taken() {
        let broker: Arc<dyn Broker> = MemoryHub::new().broker(&["c"]);
        let (replies, _sending) = replier(broker);
        let now = Instant::now();
        assert_eq!(replies.queue_usage(now), None);
        replies.shared.usage.store(0.25_f64.to_bits(), Ordering::Relaxed);
        assert_eq!(replies.queue_usage(now + Duration::from_secs(1)), Some(0.25));
        assert_eq!(replies.asked.get(), Some(now));
        replies.queue_usage(now + USAGE_KEPT);
        assert_eq!(replies.asked.get(), Some(now + USAGE_KEPT));

        let reply = |length| Reply { channel: "c".to_owned(), text: Some("x".repeat(length)) };
        assert!(replies.have_room() && replies.are_few() && replies.send(reply(WAITING)));
        assert!(!replies.have_room());
        let more = (0..10 * REPLIES).filter(|_| replies.send(reply(1))).count();
        assert_eq!(more, REPLIES - 1);
    }
}

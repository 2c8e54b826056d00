//! One task a broker: control replies go out, in pieces where they are long.
//!
//! Replies use a connection of their own, so a bad reply channel can never touch the listener. A reply that
//! cannot be sent is dropped with one line in the log: its requester has long given up by then.

use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::{Broker, BrokerError, Publish};
use dispatcher_protocol::split;
use tokio::sync::mpsc;
use tracing::warn;

/// How many replies may wait to be sent; more are dropped, each with a line in the log. More than there can be
/// requests waiting, so that whoever asks many things at once over a socket is answered each of them.
pub(crate) const REPLIES: usize = 2048;

/// How long one reply may take, connecting included. Requesters wait for seconds at most.
const SEND_WAIT: Duration = Duration::from_secs(5);

/// One reply on its way.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) channel: String,
    /// None says that the channel gets nothing more.
    pub(crate) text: Option<String>,
}

/// Sends replies until the driver is gone; those that wait then are sent first.
pub(crate) async fn run(broker: Arc<dyn Broker>, mut replies: mpsc::Receiver<Reply>) {
    let mut publisher = broker.publisher();
    let limit = broker.max_payload();
    while let Some(Reply { channel, text }) = replies.recv().await {
        let Some(text) = text else {
            publisher.end(&channel);
            continue;
        };
        let payloads = if text.len() > limit { split(&text, limit, &message_id()) } else { vec![text] };
        if let Err(why) = send(publisher.as_mut(), &channel, &payloads).await {
            warn!(target: "dispatcher.control", broker = broker.name(), "a control reply was not sent: {why}");
        }
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

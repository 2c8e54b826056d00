//! Ask and collect: what a control client does with a broker.
//!
//! Knows neither commands nor replies: it subscribes, publishes, and hands over what comes back until a deadline.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::{Broker, BrokerError, FromBroker, Sink};

/// Replies wait here for their reader; a full one makes the session wait.
const WAITING: usize = 64;

/// What comes back; the session ends when this is dropped.
pub struct Replies {
    inbox: mpsc::Receiver<(u16, FromBroker)>,
    /// Until it has ended and said why.
    session: Option<JoinHandle<BrokerError>>,
}

/// Subscribes to the channels of `broker` (its reply channel), and once it hears, publishes the payloads to
/// `channel`. Gives up at `deadline`.
pub async fn ask(
    broker: Arc<dyn Broker>,
    channel: &str,
    payloads: &[String],
    deadline: Instant,
) -> Result<Replies, BrokerError> {
    let name = broker.name().to_owned();
    let (sender, inbox) = mpsc::channel(WAITING);
    let mut publisher = broker.publisher();
    let session = tokio::spawn(async move { broker.listen(Sink::new(0, sender)).await });
    let mut replies = Replies { inbox, session: Some(session) };
    let opening = async {
        match replies.inbox.recv().await {
            Some(_) => publisher.publish(channel, payloads).await,
            None => Err(replies.reason().await),
        }
    };
    match timeout_at(deadline, opening).await {
        Ok(opened) => opened.map(|()| replies),
        Err(_) => Err(BrokerError::Unreachable { target: name, reason: "no answer in time".to_owned() }),
    }
}

impl Replies {
    /// The next payload; none when nothing more came by the deadline.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<String>, BrokerError> {
        loop {
            match timeout_at(deadline, self.inbox.recv()).await {
                Ok(Some((_, FromBroker::Delivery(delivery)))) => return Ok(Some(delivery.payload)),
                Ok(Some(_)) => {}
                Ok(None) => return Err(self.reason().await),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Up to `expected` payloads, fewer when the deadline comes first. For payloads that are whole replies; who
    /// has to put chunks together uses [`Replies::next`].
    pub async fn collect(&mut self, expected: usize, deadline: Instant) -> Result<Vec<String>, BrokerError> {
        let mut payloads = Vec::new();
        while payloads.len() < expected {
            match self.next(deadline).await? {
                Some(payload) => payloads.push(payload),
                None => break,
            }
        }
        Ok(payloads)
    }

    async fn reason(&mut self) -> BrokerError {
        match self.session.take() {
            Some(session) => session.await.unwrap_or(BrokerError::Closed),
            None => BrokerError::Closed,
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.abort();
        }
    }
}

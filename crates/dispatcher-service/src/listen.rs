//! One task a broker: listens, and when the line breaks, listens again, for ever.
//!
//! Knows nothing of what a payload says. A broker that is away is said once when it goes, once a minute while
//! it stays away, as soon as there is another reason for that, and once when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dispatcher_broker::{Backoff, Broker, BrokerError, FromBroker, Sink};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::inbox::Inbox;

/// How often a broker that stays away is mentioned.
const REMIND: Duration = Duration::from_secs(60);

/// How many different reasons are said within that time: the loss, why the line does not come back, and one more.
const REASONS: usize = 3;

/// How long to wait after a refused login: someone has to change something, and each attempt is a line in the
/// server's log.
const REFUSED_WAIT: Duration = Duration::from_secs(5);

/// A broker to listen to and where its deliveries go.
pub(crate) struct Listener {
    pub(crate) id: u16,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) deliveries: mpsc::Sender<(u16, FromBroker)>,
    pub(crate) inbox: mpsc::Sender<Inbox>,
    /// End the service when the first attempt fails, instead of waiting for the broker.
    pub(crate) fail_fast: bool,
    /// Becomes true when the first workers exist, or could not be made: from then on there is something to answer.
    pub(crate) opened: watch::Receiver<bool>,
    /// Whether a session listens now; set by the session, cleared at its end.
    pub(crate) listening: Arc<AtomicBool>,
}

/// Listens until the driver is gone.
pub(crate) async fn run(mut listener: Listener) {
    if listener.opened.wait_for(|opened| *opened).await.is_err() {
        return;
    }
    let mut backoff = Backoff::new();
    let mut outage = Outage::default();
    let mut ever_worked = false;
    loop {
        let session = Session::open(&listener).await;
        if session.worked {
            ever_worked = true;
            backoff.reset();
            outage = Outage::default();
        }
        if session.reason.is_closed() {
            return;
        }
        if session.reason.is_config() || (listener.fail_fast && !ever_worked) {
            let _ = listener.inbox.send(Inbox::Fatal(session.reason.to_string())).await;
            return;
        }
        outage.note(listener.broker.name(), &session);
        let _ = listener.inbox.send(Inbox::Lost { broker: listener.id }).await;
        let wait = backoff.next_delay();
        tokio::time::sleep(if session.reason.is_refused() { REFUSED_WAIT } else { wait }).await;
    }
}

/// One listening session that is over.
struct Session {
    reason: BrokerError,
    /// Whether it ever listened.
    worked: bool,
}

impl Session {
    async fn open(listener: &Listener) -> Self {
        // A broker calls the session lost only if it had listened; before that it was refused or not reached.
        let started = Instant::now();
        let sink =
            Sink::new(listener.id, listener.deliveries.clone()).watched(Arc::clone(&listener.listening));
        let reason = listener.broker.listen(sink).await;
        listener.listening.store(false, Ordering::Relaxed);
        let worked = matches!(reason, BrokerError::Lost { .. });
        if worked {
            info!(
                target: "dispatcher.broker",
                broker = listener.broker.name(),
                seconds = started.elapsed().as_secs(),
                "the listening session ended"
            );
        }
        Self { reason, worked }
    }
}

/// How long a broker has been away, and what was said of it in the last minute.
#[derive(Default)]
struct Outage {
    /// When the minute began.
    since: Option<Instant>,
    said: Vec<String>,
    attempts: u64,
}

impl Outage {
    fn note(&mut self, broker: &str, session: &Session) {
        self.attempts += 1;
        if !self.is_news(&session.reason.to_string(), Instant::now()) {
            return;
        }
        let what = if session.worked { "reconnecting" } else { "waiting for it" };
        warn!(target: "dispatcher.broker", broker, attempts = self.attempts, "{}; {what}", session.reason);
    }
    /// Whether this reason is to be said now: the line was lost for one reason, and may not come back for another.
    fn is_news(&mut self, reason: &str, now: Instant) -> bool {
        if self.since.is_none_or(|since| now - since >= REMIND) {
            self.since = Some(now);
            self.said.clear();
        }
        let news = self.said.len() < REASONS && !self.said.iter().any(|said| said == reason);
        if news {
            self.said.push(reason.to_owned());
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_said_once_a_minute_and_no_more_than_three() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut said = |reason, seconds| outage.is_news(reason, start + Duration::from_secs(seconds));
        assert!(said("the line was cut", 0));
        assert!(said("the certificate has expired", 1));
        assert!(!said("the certificate has expired", 2));
        assert!(said("refused", 3));
        assert!(!said("a fourth", 4), "reasons that change each time do not fill the log");
        assert!(!said("the line was cut", 59));
        assert!(said("refused", 60));
    }
}

//! A broker inside this process, for tests and for users' tests.
//!
//! Behaves as notifications of a database do: whoever listens at that moment hears, nobody else ever does, and
//! what a slow listener has not taken yet is kept for it. Nothing leaves the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;

use crate::{BoxFuture, Broker, BrokerError, Delivery, FromBroker, Publish, Sink};

/// As for notifications, so that a test meets the same limit.
const MAX_PAYLOAD: usize = crate::MAX_PAYLOAD;

/// The place where brokers of one test meet.
#[derive(Clone, Default)]
pub struct MemoryHub {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    sessions: Mutex<Sessions>,
    refuses: AtomicBool,
}

#[derive(Default)]
struct Sessions {
    last: u64,
    /// What has been published and not taken yet waits in these, without a bound: they stand for the memory of
    /// the server, and the owner of a far end is its session.
    open: HashMap<u64, (Vec<Arc<str>>, mpsc::UnboundedSender<Delivery>)>,
}

impl MemoryHub {
    /// A hub of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hub that every broker named `memory` in a config of this process meets at.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MemoryHub> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// A broker on this hub that listens on these channels.
    pub fn broker(&self, channels: &[impl AsRef<str>]) -> Arc<MemoryBroker> {
        let channels = channels.iter().map(|name| Arc::from(name.as_ref())).collect();
        Arc::new(MemoryBroker { hub: self.clone(), channels })
    }

    /// Ends every session that is open now, as a restart of a server would. What they had not taken is lost.
    pub fn cut(&self) {
        self.sessions().open.clear();
    }

    /// Whether new sessions and publishes are refused from now on.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refuses.store(refuse, Ordering::SeqCst);
    }

    /// How many sessions listen now.
    pub fn listeners(&self) -> usize {
        self.sessions().open.len()
    }

    /// Gives a payload to everyone who listens on the channel.
    pub fn publish(&self, channel: &str, payload: &str) {
        for (channels, queue) in self.sessions().open.values() {
            if let Some(name) = channels.iter().find(|name| &***name == channel) {
                // A session that has just ended hears nothing more, which is what it would hear anyway.
                let _ = queue.send(Delivery {
                    channel: Arc::clone(name),
                    payload: payload.to_owned(),
                    handle: 0,
                });
            }
        }
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), BrokerError> {
        if self.shared.refuses.load(Ordering::SeqCst) {
            return Err(BrokerError::Unreachable {
                target: "memory".to_owned(),
                reason: "the hub refuses".to_owned(),
            });
        }
        Ok(())
    }

    fn subscribe(&self, channels: &[Arc<str>]) -> Session {
        let (sender, queue) = mpsc::unbounded_channel();
        let mut sessions = self.sessions();
        sessions.last += 1;
        let id = sessions.last;
        sessions.open.insert(id, (channels.to_vec(), sender));
        Session { hub: self.clone(), id, queue }
    }
}

/// One listening session; it leaves the hub when dropped.
struct Session {
    hub: MemoryHub,
    id: u64,
    queue: mpsc::UnboundedReceiver<Delivery>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.sessions().open.remove(&self.id);
    }
}

/// A broker on a [`MemoryHub`].
pub struct MemoryBroker {
    hub: MemoryHub,
    channels: Vec<Arc<str>>,
}

impl MemoryBroker {
    async fn session(&self, sink: &Sink) -> Result<(), BrokerError> {
        self.hub.check()?;
        let mut session = self.hub.subscribe(&self.channels);
        sink.send(FromBroker::Listening).await?;
        loop {
            let delivery = tokio::select! {
                delivery = session.queue.recv() => delivery,
                () = sink.closed() => return Err(BrokerError::Closed),
            };
            let Some(delivery) = delivery else { return Ok(()) };
            sink.send(FromBroker::Delivery(delivery)).await?;
        }
    }
}

impl Broker for MemoryBroker {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn channels(&self) -> &[Arc<str>] {
        &self.channels
    }

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    fn listen(&self, sink: Sink) -> BoxFuture<'_, BrokerError> {
        Box::pin(async move {
            match self.session(&sink).await {
                Ok(()) => {
                    BrokerError::Lost { target: "memory".to_owned(), reason: "the hub was cut".to_owned() }
                }
                Err(error) => error,
            }
        })
    }

    fn publisher(&self) -> Box<dyn Publish> {
        Box::new(Publisher { hub: self.hub.clone() })
    }
}

struct Publisher {
    hub: MemoryHub,
}

impl Publish for Publisher {
    fn publish<'a>(
        &'a mut self,
        channel: &'a str,
        payloads: &'a [String],
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            self.hub.check()?;
            crate::pg_notify::check_publish(channel, payloads)?;
            for payload in payloads {
                self.hub.publish(channel, payload);
            }
            Ok(())
        })
    }
}

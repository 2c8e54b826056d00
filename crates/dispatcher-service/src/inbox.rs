//! What reaches the driver, apart from deliveries (they have a bounded channel of their own, so that a full one
//! slows the broker down and never keeps the news of a worker waiting).

use dispatcher_engine::{Input, Rung, WorkerId};
use dispatcher_protocol::Done;
use dispatcher_web::Ask;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

/// How many pieces of news may wait for the driver. Whoever sends more waits: the driver itself never waits
/// for anything, so this is a matter of fairness, not of safety.
pub(crate) const INBOX: usize = 1024;

/// One piece of news.
#[derive(Debug)]
pub(crate) enum Inbox {
    /// For the engine as it is.
    Engine(Input),
    /// The same, several that came together, in their order.
    Many(Vec<Input>),
    /// A worker's process exists.
    Spawned { worker: WorkerId, pid: i32 },
    /// A task asks its own service something.
    Control { worker: WorkerId, id: u64, command: String, data: Map<String, Value> },
    /// Tasks of a worker that lives in this process have ended.
    Ended { worker: WorkerId, done: Vec<Done> },
    /// Somebody in this process asks something: a task of this worker, or the application itself.
    Ask {
        from: Option<WorkerId>,
        command: String,
        data: Map<String, Value>,
        answer: oneshot::Sender<Map<String, Value>>,
    },
    /// What a worker is doing, or why that cannot be said: asked for by the driver, or taken before this rung of the
    /// ladder.
    Stack { worker: WorkerId, stack: Result<Vec<String>, String>, before: Option<Rung> },
    /// The operating system asks the service to stop.
    Signal(&'static str),
    /// The application that the service is in asks it to stop; with `hurry`, running tasks are not waited for.
    Stop { hurry: bool },
    /// Somebody waits until nothing is missing.
    WhenReady(oneshot::Sender<()>),
    /// Somebody wants to see the driver come round.
    AreYouThere,
    /// A listening session of this broker ended; it is being made anew.
    Lost { broker: u16 },
    /// A page wants to know something.
    Web(Ask),
    /// Something without which the service must not go on.
    Fatal(String),
}

impl From<Ask> for Inbox {
    fn from(ask: Ask) -> Self {
        Self::Web(ask)
    }
}

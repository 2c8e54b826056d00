//! A task inside the service, and the small identities around it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dispatcher_protocol::TaskMessage;

/// A worker; the number that `worker-0` shows. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u32);

/// A pool: its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u16);

/// A broker: its place in the driver's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub u16);

/// Where a message came from, and what its broker needs to settle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// None for what the service itself starts.
    pub broker: Option<BrokerId>,
    /// The channel it came by.
    pub channel: Arc<str>,
    /// The broker's own mark; 0 where nothing is settled.
    pub handle: u64,
}

/// A task under way.
#[derive(Debug)]
pub struct Task {
    /// What was published.
    pub message: TaskMessage,
    /// The publisher's uuid, or one of our own.
    pub uuid: Box<str>,
    /// Where it came from.
    pub source: Source,
    /// It stands in the configuration, so no policy applies to its name.
    pub trusted: bool,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Its place in the order of arrival.
    pub order: u64,
    /// When it came.
    pub arrived: Instant,
}

impl Task {
    /// When it may begin at the earliest: at once, or when its delay is over.
    pub fn due(&self) -> Instant {
        self.arrived + self.message.delay().unwrap_or_default()
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (uuid={})", self.message.task(), self.uuid)
    }
}

//! Times at which something is due, in one sorted set: the engine has one next wakeup.

pub(crate) use crate::timers::Key;

use crate::task::{PoolId, WorkerId};
use crate::timers::Timers;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A running task's timeout; the number is its ticket.
    Timeout(WorkerId, u64),
    /// A cancelled task has not given way in time.
    CancelGrace(WorkerId, u64),
    /// The next step towards this worker's end.
    Step(WorkerId),
    /// Look whether tasks wait behind a long one.
    Patience(WorkerId),
    /// Try to start workers again.
    Respawn(PoolId),
    /// Look whether fewer workers are enough.
    Shrink(PoolId),
    /// This worker has reached its greatest age.
    Lifetime(WorkerId),
    /// The record of an ended worker has been shown for long enough.
    Record(PoolId),
    /// Running tasks have had their time since the stop.
    ShutdownGrace,
    /// Say how far the stop is.
    DrainNews,
}

/// All deadlines. Each is taken out when its cause has gone, so the set holds what is really to come.
pub(crate) type Deadlines = Timers<Due>;

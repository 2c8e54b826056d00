//! How far the engine is on its way to the end: quiet, stop, hurry, over. Each move is one method with a full match.
//!
//! Knows what is allowed in each phase; does nothing itself (`engine/ending.rs` does).

/// A phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Tasks come and go.
    Running,
    /// No task comes or begins any more; running ones run, others wait.
    Quiet,
    /// What waits is abandoned, idle workers leave.
    Stopping {
        /// Running tasks have had their time.
        hurried: bool,
    },
    /// Nothing is left, and that was said.
    Over,
}

impl Phase {
    /// New tasks are taken, and ready ones begin.
    pub(crate) fn is_running(self) -> bool {
        self == Self::Running
    }

    /// The stop has begun.
    pub(crate) fn is_stopping(self) -> bool {
        matches!(self, Self::Stopping { .. } | Self::Over)
    }

    /// True when that is news.
    pub(crate) fn quiet(&mut self) -> bool {
        match self {
            Self::Running => {
                *self = Self::Quiet;
                true
            }
            Self::Quiet | Self::Stopping { .. } | Self::Over => false,
        }
    }

    /// True when that is news.
    pub(crate) fn stop(&mut self) -> bool {
        match self {
            Self::Running | Self::Quiet => {
                *self = Self::Stopping { hurried: false };
                true
            }
            Self::Stopping { .. } | Self::Over => false,
        }
    }

    /// True when that is news. To be called after [`Phase::stop`].
    pub(crate) fn hurry(&mut self) -> bool {
        match self {
            Self::Stopping { hurried: hurried @ false } => {
                *hurried = true;
                true
            }
            Self::Running | Self::Quiet | Self::Stopping { hurried: true } | Self::Over => false,
        }
    }

    /// True when that is news. The last worker is gone.
    pub(crate) fn end(&mut self) -> bool {
        match self {
            Self::Stopping { .. } => {
                *self = Self::Over;
                true
            }
            Self::Running | Self::Quiet | Self::Over => false,
        }
    }
}

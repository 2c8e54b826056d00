//! What the engine does with tasks at present: takes them, begins them, or comes to its end. Each move is one method with
//! a full match.
//!
//! Knows what is allowed in each phase; does nothing itself (`engine/ending.rs` does).

/// A phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Workers are there. Two switches, each of which control can turn.
    Serving {
        /// New tasks are taken.
        takes: bool,
        /// Ready tasks begin.
        begins: bool,
    },
    /// What waits is abandoned, idle workers leave.
    Stopping {
        /// Running tasks have had their time.
        hurried: bool,
    },
    /// Nothing is left, and that was said.
    Over,
}

impl Phase {
    /// New tasks are taken.
    pub(crate) fn takes(self) -> bool {
        matches!(self, Self::Serving { takes: true, .. })
    }

    /// Ready tasks begin.
    pub(crate) fn begins(self) -> bool {
        matches!(self, Self::Serving { begins: true, .. })
    }

    /// The stop has not begun.
    pub(crate) fn is_serving(self) -> bool {
        matches!(self, Self::Serving { .. })
    }

    /// The stop has begun.
    pub(crate) fn is_stopping(self) -> bool {
        matches!(self, Self::Stopping { .. } | Self::Over)
    }

    /// Takes no more tasks. True when that is news.
    pub(crate) fn quiet(&mut self) -> bool {
        match self {
            Self::Serving { takes: takes @ true, .. } => {
                *takes = false;
                true
            }
            Self::Serving { takes: false, .. } | Self::Stopping { .. } | Self::Over => false,
        }
    }

    /// Begins no more tasks. True when that is news.
    pub(crate) fn pause(&mut self) -> bool {
        match self {
            Self::Serving { begins: begins @ true, .. } => {
                *begins = false;
                true
            }
            Self::Serving { begins: false, .. } | Self::Stopping { .. } | Self::Over => false,
        }
    }

    /// Takes and begins tasks again; a stop cannot be taken back.
    pub(crate) fn resume(&mut self) {
        match self {
            Self::Serving { takes, begins } => (*takes, *begins) = (true, true),
            Self::Stopping { .. } | Self::Over => {}
        }
    }

    /// True when that is news.
    pub(crate) fn stop(&mut self) -> bool {
        match self {
            Self::Serving { .. } => {
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
            Self::Serving { .. } | Self::Stopping { hurried: true } | Self::Over => false,
        }
    }

    /// True when that is news. The last worker is gone.
    pub(crate) fn end(&mut self) -> bool {
        match self {
            Self::Stopping { .. } => {
                *self = Self::Over;
                true
            }
            Self::Serving { .. } | Self::Over => false,
        }
    }
}

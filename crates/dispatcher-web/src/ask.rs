//! What the pages need to know, as questions to whoever knows.
//!
//! Holds no figures. Where it stands: between `routes` and the service.

use tokio::sync::oneshot;

/// One question. Whoever has given up waiting has dropped the other end; the answer is then lost, and that is fine.
#[derive(Debug)]
pub enum Ask {
    /// The metrics as text.
    Metrics {
        /// Every metric; if not, the three of dispatcherd alone.
        all: bool,
        /// Where the text goes.
        answer: oneshot::Sender<String>,
    },
    /// Whether the service can do its work.
    Health(oneshot::Sender<Health>),
}

/// Whether the service can do its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What it would need to be ready, each in a few words for people; nothing when it is.
    pub missing: Vec<String>,
}

//! Why a service could not begin, or ended otherwise than asked: each says what to do.

use dispatcher_service::RunError;
use dispatcher_service::config::Complaints;
use thiserror::Error;
use tokio::task::JoinError;

use crate::registry::DuplicateTask;

/// Why a service could not begin, or ended otherwise than asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The configuration is wrong; every complaint with its place.
    #[error("{0}")]
    Config(Box<Complaints>),
    /// What the builder was told cannot work; a sentence that says what to change.
    #[error("{0}")]
    Builder(String),
    /// Two tasks of the program have one name.
    #[error(transparent)]
    DuplicateTask(#[from] DuplicateTask),
    /// The system refused something, or something is missing without which the service must not go on.
    #[error("{0}")]
    Run(#[from] RunError),
    /// The service has ended, so it answers nothing any more.
    #[error("the service has ended; build a new one")]
    Ended,
    /// The service has a bug: it panicked. Tasks that panic are failures of their run and never this.
    #[error("the service panicked: {0}; please report this")]
    Panicked(String),
}

impl ServiceError {
    pub(super) fn of_join(error: JoinError) -> Self {
        if !error.is_panic() {
            return Self::Ended;
        }
        let panic = error.into_panic();
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self::Panicked(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
    }
}

//! What can go wrong between this process and a message bus. One type; callers ask it questions and never match
//! its text. No variant ever holds a password.

use thiserror::Error;

/// Why a session ended, or why something could not be sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerError {
    /// The configuration cannot work as it is written: trying again changes nothing.
    #[error("{0}")]
    Config(String),
    /// The bus did not answer, or not in time.
    #[error("cannot reach {target}: {reason}")]
    Unreachable {
        /// Where: host and port, or the path of the socket.
        target: String,
        /// What the system or the server said.
        reason: String,
    },
    /// The bus answered and refused the login.
    #[error("{target} refused the login: {reason}")]
    Refused {
        /// Where.
        target: String,
        /// What the server said.
        reason: String,
    },
    /// Connected, but messages would never arrive here.
    #[error("{target} cannot listen: {reason}")]
    CannotListen {
        /// Where.
        target: String,
        /// Why, and what to do about it.
        reason: String,
    },
    /// A session that worked has ended.
    #[error("lost the connection to {target}: {reason}")]
    Lost {
        /// Where.
        target: String,
        /// What the system or the server said.
        reason: String,
    },
    /// The bus is there and could not do what was asked, this time.
    #[error("{target} did not take the message: {reason}")]
    Failed {
        /// Where.
        target: String,
        /// What the server said.
        reason: String,
    },
    /// This message can never be sent.
    #[error("cannot publish to channel {channel:?}: {reason}")]
    Rejected {
        /// The channel.
        channel: String,
        /// Why.
        reason: String,
    },
    /// Whoever listened is gone.
    #[error("the receiver of this broker is closed")]
    Closed,
}

impl BrokerError {
    /// The same may work later, with nothing changed here.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Config(_) | Self::Rejected { .. } | Self::Closed)
    }

    /// Somebody has to change the configuration.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }

    /// The login was refused: try again slowly, and say so loudly.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// The connection works but would stay deaf (a standby, a transaction pooler).
    pub fn is_cannot_listen(&self) -> bool {
        matches!(self, Self::CannotListen { .. })
    }

    /// The receiver is gone: the listening side is being stopped.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

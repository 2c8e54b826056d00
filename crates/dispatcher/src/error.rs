//! What can go wrong between an application and its services. One type; callers ask it questions.
//!
//! Never holds arguments of a task nor a password.

use std::error::Error as StdError;
use std::fmt;

use dispatcher_broker::BrokerError;
use dispatcher_protocol::{DecodeError, NameError, WriteError};

/// Why nothing was published, or nobody answered.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let publisher = dispatcher::Publisher::postgres("host=127.0.0.1 port=1").unwrap();
/// match dispatcher::submit("shop.orders.ship").queue("orders").on(&publisher).await {
///     Ok(published) => println!("{}", published.uuid()),
///     Err(error) if error.is_retryable() => println!("later, perhaps: {error}"),
///     Err(error) => println!("somebody has to change something: {error}"),
/// }
/// # });
/// ```
pub struct Error(Box<Kind>);

pub(crate) enum Kind {
    Argument {
        task: String,
        place: String,
        why: WriteError,
    },
    Name {
        task: String,
        why: NameError,
    },
    Message {
        task: String,
        why: DecodeError,
    },
    NoChannel {
        task: String,
    },
    NotSetUp,
    Config(String),
    Broker(BrokerError),
    /// Of a connection of the application.
    #[cfg_attr(
        not(any(feature = "tokio-postgres", feature = "sqlx")),
        expect(dead_code, reason = "for both")
    )]
    Database(Box<dyn StdError + Send + Sync>),
    TimedOut(String),
    Interrupted,
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "for eager mode"))]
    Eager(String),
}

impl Error {
    /// The same may work later, with nothing changed here.
    pub fn is_retryable(&self) -> bool {
        match &*self.0 {
            Kind::Broker(error) => error.is_retryable(),
            Kind::TimedOut(_) | Kind::Interrupted => true,
            _ => false,
        }
    }

    /// Somebody has to change the configuration of this process.
    pub fn is_config(&self) -> bool {
        match &*self.0 {
            Kind::Broker(error) => error.is_config(),
            Kind::NotSetUp | Kind::Config(_) | Kind::NoChannel { .. } => true,
            _ => false,
        }
    }

    /// This message can never be published: its arguments, its name or its options are at fault.
    pub fn is_message(&self) -> bool {
        match &*self.0 {
            Kind::Argument { .. } | Kind::Name { .. } | Kind::Message { .. } => true,
            Kind::Broker(error) => matches!(error, BrokerError::Rejected { .. }),
            _ => false,
        }
    }

    /// Nobody knows whether it was sent: the line broke, or the time was up, in the middle of it. Whoever tries again
    /// may run the task twice.
    pub fn may_have_been_sent(&self) -> bool {
        match &*self.0 {
            Kind::Broker(error) => matches!(error, BrokerError::Lost { .. }),
            Kind::TimedOut(_) | Kind::Interrupted | Kind::Database(_) => true,
            _ => false,
        }
    }

    /// The time was up before there was an answer.
    pub fn is_timeout(&self) -> bool {
        matches!(&*self.0, Kind::TimedOut(_))
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<BrokerError> for Error {
    fn from(error: BrokerError) -> Self {
        Kind::Broker(error).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Argument { task, place, why } => {
                write!(f, "task {task} cannot be published: {place} cannot be written as JSON: {why}")
            }
            Kind::Name { task, why } => write!(f, "{task:?} is no name of a task: {why}"),
            Kind::Message { task, why } => write!(f, "task {task} cannot be published: {why}"),
            Kind::NoChannel { task } => write!(
                f,
                "task {task} has no channel to be published to: say queue in #[task(queue = \"...\")] or by .queue(...), \
                 or give the publisher a channel"
            ),
            Kind::NotSetUp => f.write_str(
                "there is no publisher: call dispatcher::setup(...) at the start, or publish .on(&publisher)",
            ),
            Kind::Broker(error) => error.fmt(f),
            Kind::Database(_) => f.write_str("the database did not take the message"),
            Kind::Config(what) | Kind::TimedOut(what) => f.write_str(what),
            Kind::Interrupted => {
                f.write_str("the publisher was ended in the middle of it, with the runtime that it ran on")
            }
            Kind::Eager(what) => write!(f, "a task that was run at once has failed: {what}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Kind::Database(error) => Some(&**error),
            _ => None,
        }
    }
}

//! Everything that ends the command early, with its exit code and what to do about it.

use std::path::PathBuf;

use dispatcher_broker::BrokerError;
use dispatcher_service::config::Complaints;
use thiserror::Error;

use crate::exit::{Exit, Manner};
use crate::output;

/// Why the command did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// Clap has the text, and its own exit codes (help is no error).
    #[error("{0}")]
    Arguments(clap::Error),
    #[error("{0}")]
    Config(Complaints),
    #[error("there is no config file {}", .0.display())]
    NoConfig(PathBuf),
    /// The service found that the config cannot work.
    #[error("{0}")]
    Refused(String),
    /// Something the user asked for that cannot be; the second text is the hint.
    #[error("{0}")]
    Usage(String, &'static str),
    #[error("{0}")]
    Broker(#[from] BrokerError),
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self, manner: Manner) -> Exit {
        match self {
            CliError::Arguments(error) => {
                // A closed pipe is no reason to fail a second time.
                let _ = error.print();
                return if error.use_stderr() { Exit::Usage } else { Exit::Done };
            }
            CliError::Config(complaints) => output::complain(&complaints.source, &complaints.list),
            other => {
                output::fail(&other.to_string(), other.hint());
            }
        }
        self.exit(manner)
    }

    fn exit(&self, manner: Manner) -> Exit {
        match self {
            CliError::Arguments(_) | CliError::Usage(..) => Exit::Usage,
            CliError::Config(_) | CliError::NoConfig(_) | CliError::Refused(_) => manner.wrong_config(),
            CliError::Broker(_) | CliError::Failed(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            CliError::Usage(_, hint) => Some(hint),
            CliError::NoConfig(_) => Some("name it with --config FILE, or in DISPATCHER_CONFIG_FILE"),
            CliError::Broker(BrokerError::Unreachable { .. }) => {
                Some("is it up, and is its address the one in the config?")
            }
            CliError::Broker(BrokerError::Refused { .. }) => {
                Some("see the user and password in the config, the PG* variables or .pgpass")
            }
            _ => None,
        }
    }
}

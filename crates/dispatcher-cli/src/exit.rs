//! The exit codes, and what differs when the command runs under a name of dispatcherd.

use std::process::ExitCode;

use crate::logging::{Level, Stream};

/// How it went. The numbers are a promise; they stand in `--help` and in
/// `docs/reference/cli.md`, which has those of a service that is stuck or broken too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// Refused, too few replies, or something failed while it ran.
    Failed = 1,
    /// The arguments or the configuration are wrong; trying again changes nothing.
    Usage = 2,
}

/// The last lines of every help text.
pub(crate) const CODES: &str =
    "Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments or configuration.";

/// As [`CODES`], under a name of dispatcherd.
pub(crate) const CODES_ALONE: &str =
    "Exit codes: 0 done; 1 refused, too few replies, failed or wrong configuration; 2 wrong arguments.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Under which kind of name the command runs; what scripts written for dispatcherd see is kept for its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `dispatcher`.
    Dispatcher,
    /// `dispatcherd`, `dispatcher-standalone`, `dispatcherctl`.
    Dispatcherd,
}

impl Manner {
    /// What a wrong configuration exits with.
    pub(crate) fn wrong_config(self) -> Exit {
        match self {
            Manner::Dispatcher => Exit::Usage,
            Manner::Dispatcherd => Exit::Failed,
        }
    }

    /// Where log lines go.
    pub(crate) fn stream(self) -> Stream {
        match self {
            Manner::Dispatcher => Stream::Error,
            Manner::Dispatcherd => Stream::Output,
        }
    }

    /// The log level of a command that asks one question.
    pub(crate) fn client_level(self) -> Level {
        match self {
            Manner::Dispatcher => Level::Warning,
            Manner::Dispatcherd => Level::Debug,
        }
    }
}

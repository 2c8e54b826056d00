//! The log: which lines are written, how they look, and that writing them never stops the service.
//!
//! Levels have Python's names, because those who read the log filter by them. Where it stands: set up once by the
//! command, before anything is worth a line.

mod format;
mod limit;
#[cfg(test)]
mod shared;
mod writer;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use clap::ValueEnum;
use dispatcher_service::LogTally;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt, registry, reload};

use format::Line;
use limit::Limiter;
pub(crate) use writer::Flush;

/// Python's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
    Error,
    /// The service logs nothing as critical, so this is silence.
    Critical,
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warning => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Critical => LevelFilter::OFF,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        }
    }

    /// A level by any of Python's names for it, in any case, or by its number.
    fn parse(text: &str) -> Option<Level> {
        match text.trim().to_ascii_uppercase().as_str() {
            "DEBUG" | "10" => Some(Level::Debug),
            "INFO" | "20" => Some(Level::Info),
            "WARNING" | "WARN" | "30" => Some(Level::Warning),
            "ERROR" | "40" => Some(Level::Error),
            "CRITICAL" | "FATAL" | "50" => Some(Level::Critical),
            _ => None,
        }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// 2026-11-24 04:11:38,123 INFO dispatcher.pool: message key=value
    Text,
    /// One JSON object a line: timestamp, level, logger, message, fields
    Json,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

impl Stream {
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Stream::Output => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        }
    }

    /// The stream without the lock and the buffer that the rest of the process shares.
    fn open(self) -> io::Result<File> {
        let fd = match self {
            Stream::Output => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Error => io::stderr().as_fd().try_clone_to_owned(),
        };
        fd.map(File::from)
    }
}

/// Changes the level while the service runs: takes a name or number, gives the name of the level before.
pub(crate) type Switch = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// A log that is being written.
pub(crate) struct Log {
    pub(crate) switch: Switch,
    /// What is missing in it.
    pub(crate) tally: Arc<LogTally>,
    /// Ends it in order; none when there is nobody to log for.
    pub(crate) flush: Option<Flush>,
}

/// Logs from a thread of its own: the caller of a log line never waits, whatever becomes of the reader.
pub(crate) fn start_in_background(level: Level, format: Format, stream: Stream) -> Log {
    let tally = Arc::new(LogTally::default());
    // Without the stream there is nobody to log for; the service runs all the same.
    let Ok(file) = stream.open() else {
        return Log { switch: Arc::new(|_| Err("there is no log".to_owned())), tally, flush: None };
    };
    let limiter = Arc::new(Limiter::new(Arc::clone(&tally)));
    let (lines, bell, flush) = writer::background(file, format, Arc::clone(&limiter), Arc::clone(&tally));
    let (filter, handle) = reload::Layer::new(level.filter());
    let line = Line { format, tally: Arc::clone(&tally), limit: Some((limiter, bell)) };
    let layer = fmt::layer().log_internal_errors(false).event_format(line).with_writer(lines);
    let _ = tracing::subscriber::set_global_default(registry().with(filter).with(layer));
    Log { switch: switch(handle, level), tally, flush: Some(flush) }
}

/// Logs at once, in order with what else the command prints; for commands that ask one question.
pub(crate) fn start_direct(level: Level, stream: Stream) {
    let Ok(file) = stream.open() else { return };
    let line = Line { format: Format::Text, tally: Arc::default(), limit: None };
    let layer = fmt::layer().log_internal_errors(false).event_format(line).with_writer(Mutex::new(file));
    let _ = tracing::subscriber::set_global_default(registry().with(level.filter()).with(layer));
}

/// `NOTSET` is the level of the start, as a Python logger without a level of its own has it.
fn switch(handle: reload::Handle<LevelFilter, Registry>, start: Level) -> Switch {
    let current: Mutex<Option<Level>> = Mutex::new(None);
    Arc::new(move |text| {
        let wanted = match text.trim().to_ascii_uppercase().as_str() {
            "NOTSET" | "0" => None,
            _ => Some(Level::parse(text).ok_or_else(|| format!("Unknown log level '{text}'."))?),
        };
        let mut current = current.lock().map_err(|_| "the log level is lost".to_owned())?;
        handle.reload(wanted.unwrap_or(start).filter()).map_err(|error| error.to_string())?;
        let before = std::mem::replace(&mut *current, wanted);
        Ok(before.map_or("NOTSET", Level::name).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_names_the_level_before_and_refuses_what_it_does_not_know() {
        let (_filter, handle) = reload::Layer::<LevelFilter, Registry>::new(Level::Debug.filter());
        let switch = switch(handle.clone(), Level::Debug);
        assert_eq!(switch("info"), Ok("NOTSET".to_owned()));
        assert_eq!(handle.clone_current(), Some(LevelFilter::INFO));
        assert_eq!(switch("CRITICAL"), Ok("INFO".to_owned()));
        assert_eq!(handle.clone_current(), Some(LevelFilter::OFF));
        assert_eq!(switch("LOUD"), Err("Unknown log level 'LOUD'.".to_owned()));
        assert_eq!(switch("NOTSET"), Ok("CRITICAL".to_owned()));
        assert_eq!(handle.clone_current(), Some(LevelFilter::DEBUG));
        assert_eq!(switch("30"), Ok("NOTSET".to_owned()));
    }
}

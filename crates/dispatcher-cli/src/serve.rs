//! `dispatcher serve`: config, log, service.
//!
//! Decides nothing about tasks. Where it stands: the last step before the service itself.

use dispatcher_service::config::Config;
use dispatcher_service::{RunError, RunOptions, run};
use tracing::{debug, warn};

use crate::args::Serve;
use crate::error::CliError;
use crate::exit::{Exit, Manner};
use crate::logging::{self, Format, Level};
use crate::settings;

/// Runs until the service ends.
pub(crate) fn serve(arguments: &Serve, manner: Manner) -> Result<Exit, CliError> {
    let config = match arguments.config_fd {
        Some(number) => settings::load_descriptor(number),
        None => settings::load(arguments.config.config.as_deref()),
    }?;
    let format = arguments.log_format.unwrap_or_else(|| default_format(manner));
    let log = logging::start_in_background(arguments.log_level, format, manner.stream());
    // Written to its end when this is over.
    let _flush = log.flush;
    announce(arguments, &config);
    let options = RunOptions {
        fail_fast: arguments.fail_fast,
        log_level: arguments.log_level.name().to_owned(),
        log_format: format.name().to_owned(),
        verbose: arguments.log_level == Level::Debug,
        set_log_level: Some(log.switch),
        log: log.tally,
    };
    match run(config, options) {
        Ok(()) => Ok(Exit::Done),
        Err(error @ RunError::Config(_)) => Err(CliError::Refused(error.to_string())),
        Err(error) => Err(CliError::Failed(error.to_string())),
    }
}

fn default_format(manner: Manner) -> Format {
    match manner {
        Manner::Dispatcher if !manner.stream().is_terminal() => Format::Json,
        _ => Format::Text,
    }
}

fn announce(arguments: &Serve, config: &Config) {
    let source = match arguments.config_fd {
        Some(number) => format!("descriptor {number}"),
        None => settings::file(arguments.config.config.as_deref()).display().to_string(),
    };
    debug!(target: "dispatcher.cli", version = env!("CARGO_PKG_VERSION"), config = source, "configured");
    for warning in &config.warnings {
        warn!(target: "dispatcher.config", "{warning}");
    }
}

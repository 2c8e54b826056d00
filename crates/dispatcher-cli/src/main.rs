//! The command `dispatcher`: read the arguments, do one thing, leave with a code that says how it went.
//!
//! Holds no logic of the service. Under the names that dispatcherd installs (`dispatcherd`, `dispatcher-standalone`,
//! `dispatcherctl`) it takes their flags. Where it stands: outermost; everything it runs lives in other crates.

mod exit;
mod error;
mod args;
mod settings;
mod logging;
mod output;
mod table;
mod yaml;
mod serve;
mod ctl;
mod submit;
mod check;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

use args::{Command, CtlAlone, Dispatcher, ServeAlone};
use error::CliError;
use exit::{Exit, Manner};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let name =
        arguments.first().and_then(|first| Path::new(first).file_name()).and_then(|name| name.to_str());
    let (manner, done) = match name {
        Some(name @ ("dispatcherd" | "dispatcher-standalone")) => (
            Manner::Dispatcherd,
            parse_as::<ServeAlone>(name.to_owned(), arguments)
                .and_then(|alone| serve::serve(&alone.serve, Manner::Dispatcherd)),
        ),
        Some("dispatcherctl") => (
            Manner::Dispatcherd,
            parse_as::<CtlAlone>("dispatcherctl".to_owned(), arguments)
                .and_then(|alone| ctl::ctl(&alone.ctl, Manner::Dispatcherd)),
        ),
        Some(dispatcher_service::WORKER_STEP) => {
            return dispatcher_service::become_worker(arguments.into_iter().skip(1));
        }
        _ => (
            Manner::Dispatcher,
            Dispatcher::try_parse_from(arguments)
                .map_err(CliError::Arguments)
                .and_then(|parsed| run(parsed.command)),
        ),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) => error.report(manner).into(),
    }
}

/// Parses under another name than the binary's own.
fn parse_as<T: CommandFactory + FromArgMatches>(
    name: String,
    arguments: Vec<OsString>,
) -> Result<T, CliError> {
    let command = T::command().name(name.clone()).bin_name(name);
    let mut matches = command.try_get_matches_from(arguments).map_err(CliError::Arguments)?;
    T::from_arg_matches_mut(&mut matches).map_err(CliError::Arguments)
}

fn run(command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Serve(serve) => serve::serve(&serve, Manner::Dispatcher),
        Command::Ctl(ctl) => ctl::ctl(&ctl, Manner::Dispatcher),
        Command::Submit(submit) => submit::submit(&submit),
        Command::Check(check) => check::check(&check),
        Command::Schema => Ok(output::print(&output::json(&dispatcher_service::config::schema()))),
    }
}

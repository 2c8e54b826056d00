//! `dispatcher ctl`: ask, wait for the replies, print them.
//!
//! Knows the commands by their table alone; what they do is the service's. Where it stands: a client of the broker,
//! beside the service.

mod ask;
mod commands;
mod quiet;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use dispatcher_service::config::Config;
use serde_json::Value;
use tracing::debug;

use crate::args::{Ctl, Form};
use crate::error::CliError;
use crate::exit::{Exit, Manner};
use crate::{logging, output, settings, table, yaml};

pub(crate) use ask::{broker, pieces, runtime};
pub(crate) use commands::Request;

/// Asks, prints, and fails when there were fewer replies than expected or one of them is a refusal. With `--watch`, again
/// and again.
pub(crate) fn ctl(arguments: &Ctl, manner: Manner) -> Result<Exit, CliError> {
    logging::start_direct(arguments.log_level.unwrap_or(manner.client_level()), manner.stream());
    let file = settings::file(arguments.config.config.as_deref());
    debug!(target: "dispatcher.cli", "using the config {}", file.display());
    let config = settings::load(arguments.config.config.as_deref())?;
    let mut arguments = arguments.clone();
    if let Some(patience) = quiet::patience(&mut arguments)? {
        return quiet::wait(&config, &arguments, patience);
    }
    let arguments = &arguments;
    let Some(interval) = arguments.watch else { return round(&config, arguments) };
    if !arguments.request.is_question() {
        let what =
            format!("{} changes something, so it is not asked again and again", arguments.request.command);
        return Err(CliError::Usage(what, "leave --watch out"));
    }
    watch(&config, arguments, interval)
}

/// Asks until somebody ends the command. A round that fails says so, and the next one follows.
fn watch(config: &Config, arguments: &Ctl, interval: Duration) -> Result<Exit, CliError> {
    let screen = std::io::stdout().is_terminal();
    loop {
        let begun = Instant::now();
        // On a terminal each round takes the place of the one before; elsewhere they follow each other.
        output::print(if screen { CLEAR } else { "" });
        match round(config, arguments) {
            Err(CliError::Broker(error)) if error.is_retryable() => output::fail(&error.to_string(), None),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        std::thread::sleep(interval.saturating_sub(begun.elapsed()));
    }
}

/// To the upper left corner, and everything gone.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// One question, its replies, and what is wrong with them.
fn round(config: &Config, arguments: &Ctl) -> Result<Exit, CliError> {
    let expected = arguments.expected_replies as usize;
    let replies = ask::ask(config, &arguments.request, expected, arguments.timeout)?;
    let count = replies.len();
    let refusals: Vec<String> = replies.iter().filter_map(refusal).collect();
    output::print(&form(replies, arguments.output));
    for refusal in &refusals {
        output::fail(&format!("refused: {refusal}"), None);
    }
    if count < expected {
        let waited = arguments.timeout.as_secs_f64();
        let hint = "are the services up, and do they listen to the channel that the config names?";
        output::fail(&format!("obtained only {count} of {expected} replies in {waited} s"), Some(hint));
    }
    Ok(if count < expected || !refusals.is_empty() { Exit::Failed } else { Exit::Done })
}

fn form(replies: Vec<Value>, form: Form) -> String {
    match form {
        // An empty line ends the document, as the original has it.
        Form::Yaml => yaml::document(&Value::Array(replies)) + "\n",
        Form::Json => output::json(&Value::Array(replies)),
        Form::Table => table::table(&replies),
    }
}

/// The text of a reply that is an error.
fn refusal(reply: &Value) -> Option<String> {
    reply.get("error").and_then(Value::as_str).map(str::to_owned)
}

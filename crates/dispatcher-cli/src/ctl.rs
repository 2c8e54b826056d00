//! `dispatcher ctl`: ask, wait for the replies, print them.
//!
//! Knows the commands by their table alone; what they do is the service's. Where it stands: a client of the broker,
//! beside the service.

mod ask;
mod commands;

use serde_json::Value;
use tracing::debug;

use crate::args::{Ctl, Form};
use crate::error::CliError;
use crate::exit::{Exit, Manner};
use crate::{logging, output, settings, yaml};

pub(crate) use ask::{broker, pieces, runtime};
pub(crate) use commands::Request;

/// Asks, prints, and fails when there were fewer replies than expected or one of them is a refusal.
pub(crate) fn ctl(arguments: &Ctl, manner: Manner) -> Result<Exit, CliError> {
    logging::start_direct(arguments.log_level.unwrap_or(manner.client_level()), manner.stream());
    let file = settings::file(arguments.config.config.as_deref());
    debug!(target: "dispatcher.cli", "using the config {}", file.display());
    let config = settings::load(arguments.config.config.as_deref())?;
    let expected = arguments.expected_replies as usize;
    let replies = ask::ask(&config, &arguments.request, expected, arguments.timeout)?;
    let count = replies.len();
    let refusals: Vec<String> = replies.iter().filter_map(refusal).collect();
    let list = Value::Array(replies);
    output::print(&match arguments.output {
        // An empty line ends the document, as the original has it.
        Form::Yaml => yaml::document(&list) + "\n",
        Form::Json => output::json(&list),
    });
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

/// The text of a reply that is an error.
fn refusal(reply: &Value) -> Option<String> {
    reply.get("error").and_then(Value::as_str).map(str::to_owned)
}

//! `dispatcher submit`: one task message to a broker.
//!
//! Checks the message as the service will, so that a mistake is told to the one who made it. Where it stands: a
//! client of the broker, beside the service.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use dispatcher_broker::client;
use dispatcher_protocol::{Decoded, decode};
use dispatcher_service::config::random_uuid;
use serde_json::Value;

use crate::args::Submit;
use crate::ctl::{broker, pieces, runtime};
use crate::error::CliError;
use crate::exit::Exit;
use crate::{output, settings};

/// How long connecting and sending may take.
const SEND: Duration = Duration::from_secs(10);

/// Sends the task and prints its uuid.
pub(crate) fn submit(arguments: &Submit) -> Result<Exit, CliError> {
    let uuid = arguments.uuid.clone().unwrap_or_else(random_uuid);
    let text = message(arguments, &uuid)?;
    let config = settings::load(arguments.config.config.as_deref())?;
    let settings = broker(&config, config.publish.default_broker.as_deref())?;
    let channel = arguments.queue.as_deref().or(settings.publish_channel()).ok_or_else(|| {
        CliError::Usage(
            format!("{} has no default_publish_channel", settings.name),
            "name a channel with --queue",
        )
    })?;
    let mut options = settings.options();
    options.application_name = String::from("dispatcher submit");
    let broker = client(&settings.name, options)?;
    let payloads = pieces(text, broker.as_ref());
    let mut publisher = broker.publisher();
    runtime()?.block_on(async {
        match tokio::time::timeout(SEND, publisher.publish(channel, &payloads)).await {
            Ok(sent) => sent.map_err(CliError::from),
            Err(_) => Err(CliError::Failed(format!(
                "{} took no message in {} seconds",
                settings.name,
                SEND.as_secs()
            ))),
        }
    })?;
    Ok(output::print(&format!("{uuid}\n")))
}

/// The message as JSON. Arguments stay the text that was given, with whatever Python can read in it.
fn message(arguments: &Submit, uuid: &str) -> Result<String, CliError> {
    let mut text =
        format!(r#"{{"task": {}, "uuid": {}"#, Value::from(arguments.task.as_str()), Value::from(uuid));
    for (key, json) in [("args", &arguments.args), ("kwargs", &arguments.kwargs)] {
        if let Some(json) = json {
            one_value(key, json)?;
            let _ = write!(text, r#", "{key}": {json}"#);
        }
    }
    for (key, time) in [("timeout", arguments.timeout), ("delay", arguments.delay)] {
        if let Some(time) = time {
            let _ = write!(text, r#", "{key}": {}"#, time.as_secs_f64());
        }
    }
    if let Some(rule) = arguments.on_duplicate.and_then(|rule| rule.to_possible_value()) {
        let _ = write!(text, r#", "on_duplicate": "{}""#, rule.get_name());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let _ = write!(text, r#", "time_pub": {}}}"#, now.as_secs_f64());
    match decode(text.clone()) {
        Ok(Decoded::Task(_)) => Ok(text),
        Ok(_) => Err(refused("it is no task message")),
        Err(error) => Err(refused(&error.to_string())),
    }
}

/// Refuses text that is more than one JSON value, which would add keys of its own to the message.
fn one_value(key: &str, json: &str) -> Result<(), CliError> {
    let alone = decode(format!(r#"{{"task": "a.b", "other": {json}}}"#));
    let listed = decode(format!(r#"{{"task": "a.b", "other": [{json}]}}"#));
    match (alone, listed) {
        (Ok(_), Ok(_)) => Ok(()),
        _ => Err(CliError::Usage(
            format!("--{key} is not JSON"),
            "quote it for the shell, as in --args '[1, \"two\"]'",
        )),
    }
}

fn refused(why: &str) -> CliError {
    CliError::Usage(format!("the service would refuse this task: {why}"), "see `dispatcher submit --help`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, Dispatcher};
    use clap::Parser;

    fn text(arguments: &[&str]) -> Result<String, String> {
        let parsed = Dispatcher::try_parse_from([&["dispatcher", "submit"], arguments].concat()).unwrap();
        let Command::Submit(submit) = parsed.command else { panic!("not a submit") };
        let text = message(&submit, "u").map_err(|error| error.to_string())?;
        Ok(text.split(r#", "time_pub""#).next().unwrap().to_owned())
    }

    #[test]
    fn a_message_has_what_was_said_and_nothing_else() {
        assert_eq!(text(&["a.b"]).unwrap(), r#"{"task": "a.b", "uuid": "u""#);
        let all = [
            "a.b",
            "--args",
            "[1, NaN]",
            "--kwargs",
            "{\"k\": 12345678901234567890123}",
            "--timeout",
            "2.5",
            "--delay",
            "1",
            "--on-duplicate",
            "queue_one",
        ];
        assert_eq!(
            text(&all).unwrap(),
            r#"{"task": "a.b", "uuid": "u", "args": [1, NaN], "kwargs": {"k": 12345678901234567890123}, "timeout": 2.5, "delay": 1, "on_duplicate": "queue_one""#
        );
    }

    #[test]
    fn arguments_that_are_not_one_value_are_refused() {
        for json in ["[1", "", "[1], \"task\": \"evil\"", "[1], 2", "nope"] {
            assert_eq!(text(&["a.b", "--args", json]), Err("--args is not JSON".to_owned()), "{json}");
        }
        assert!(text(&["a.b", "--args", "{}", "--kwargs", "[1]"]).is_err());
    }

    #[test]
    fn a_task_that_the_service_would_refuse_is_refused_here() {
        assert!(text(&[""]).unwrap_err().contains("would refuse this task"));
    }
}

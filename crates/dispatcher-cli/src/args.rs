//! The arguments of every command, and their help.
//!
//! Says what may be written, never what is done with it. Where it stands: read once by `main`.

#![expect(clippy::doc_markdown, reason = "these comments are the help that a terminal shows")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::ctl::Request;
use crate::exit::{CODES, CODES_ALONE};
use crate::logging::{Format, Level};

/// Runs tasks that applications send through Postgres, in worker processes that it can always stop.
#[derive(Debug, Parser)]
#[command(name = "dispatcher", version, after_help = CODES)]
pub(crate) struct Dispatcher {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
    Ctl(Ctl),
    Submit(Submit),
    Check(Check),
    /// Prints the JSON Schema of the config file, for editors and other tools.
    ///
    /// Example: dispatcher schema > dispatcher.schema.json
    #[command(after_help = CODES)]
    Schema,
}

/// Runs the service until it is told to stop.
///
/// SIGTERM or SIGINT lets running tasks finish for service.shutdown_grace seconds (30), then cancels them; a second
/// signal cancels at once.
#[derive(Debug, Parser)]
#[command(version, after_help = CODES_ALONE)]
pub(crate) struct ServeAlone {
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// Asks running services a question and prints their replies.
///
/// The reply of each service is one item of the list that is printed. Without a service that answers, the list is
/// empty and the exit code is 1.
///
/// Example: dispatcherctl running --task app.tasks.report
#[derive(Debug, Parser)]
#[command(version, after_help = CODES_ALONE)]
pub(crate) struct CtlAlone {
    #[command(flatten)]
    pub(crate) ctl: Ctl,
}

/// Runs the service until it is told to stop.
///
/// SIGTERM or SIGINT lets running tasks finish for service.shutdown_grace seconds (30), then cancels them; a second
/// signal cancels at once.
///
/// Example: dispatcher serve --config /etc/dispatcher.yml --log-level INFO
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Read the config from this open descriptor instead of a file
    #[arg(long, value_name = "N", conflicts_with = "config")]
    pub(crate) config_fd: Option<u32>,
    /// Least important messages to log
    #[arg(long, value_name = "LEVEL", value_enum, ignore_case = true, default_value = "DEBUG")]
    pub(crate) log_level: Level,
    /// How log lines look [default: text on a terminal, else json; text under the names of dispatcherd]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) log_format: Option<Format>,
    /// End with code 1 when a broker is away at the start, instead of waiting for it
    #[arg(long)]
    pub(crate) fail_fast: bool,
}

/// Where the config file is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFile {
    /// The config file [default: the file named by DISPATCHER_CONFIG_FILE or DISPATCHERD_CONFIG_FILE, else dispatcher.yml]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

/// Asks running services a question and prints their replies.
///
/// The reply of each service is one item of the list that is printed. Without a service that answers, the list is
/// empty and the exit code is 1.
///
/// Example: dispatcher ctl running --task app.tasks.report
#[derive(Debug, Clone, Args)]
#[command(after_help = CODES)]
pub(crate) struct Ctl {
    #[command(subcommand)]
    pub(crate) request: Request,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Replies to wait for; fewer are a failure
    #[arg(long, value_name = "N", default_value_t = 1, global = true)]
    pub(crate) expected_replies: u32,
    /// Seconds to wait for them
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds, global = true)]
    pub(crate) timeout: Duration,
    /// Least important messages to log [default: WARNING; DEBUG under the name dispatcherctl]
    #[arg(long, value_name = "LEVEL", value_enum, ignore_case = true, global = true)]
    pub(crate) log_level: Option<Level>,
    /// How the replies are printed
    #[arg(long, value_name = "FORM", value_enum, default_value = "yaml", global = true)]
    pub(crate) output: Form,
    /// Ask again and again, every 2 seconds or every so many
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = interval,
        global = true
    )]
    pub(crate) watch: Option<Duration>,
}

/// The form of printed replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Block YAML, as dispatcherctl prints it
    Yaml,
    /// JSON, indented
    Json,
    /// A line for each worker, task or figure
    Table,
}

/// Sends one task and prints its uuid.
///
/// Nothing waits for the task: it runs when a service hears it.
///
/// Example: dispatcher submit app.tasks.report --args '[2026, "may"]' --queue reports
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Submit {
    /// The dotted name of the task
    pub(crate) task: String,
    /// Its positional arguments, a JSON list
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// Its keyword arguments, a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) kwargs: Option<String>,
    /// The channel to send it to [default: the default channel of the broker]
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) queue: Option<String>,
    /// Seconds after which it is cancelled [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Seconds after which it begins [default: at once]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) delay: Option<Duration>,
    /// What to do while an equal task runs or waits [default: parallel]
    #[arg(long, value_name = "RULE", value_enum)]
    pub(crate) on_duplicate: Option<OnDuplicate>,
    /// Its uuid [default: a random one]
    #[arg(long)]
    pub(crate) uuid: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// What may happen to a task while an equal one runs or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum OnDuplicate {
    /// Run beside it
    Parallel,
    /// Drop the new one
    Discard,
    /// Run after it, one by one
    Serial,
    /// Run after it, unless one waits already
    QueueOne,
}

/// Checks a config file and says what a service would do with it.
///
/// Every mistake is named at once, with its line and what to write instead. Nothing is connected or started.
///
/// Example: dispatcher check /etc/dispatcher.yml
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Check {
    /// The config file [default: the file named by DISPATCHER_CONFIG_FILE or DISPATCHERD_CONFIG_FILE, else dispatcher.yml]
    pub(crate) file: Option<PathBuf>,
}

/// The longest time that a message may carry: a year.
const MOST_SECONDS: f64 = 31_536_000.0;

/// The shortest time between two questions: a slip of the finger must not flood the services.
const SHORTEST_INTERVAL: f64 = 0.1;

fn interval(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        Ok(interval) if interval.as_secs_f64() >= SHORTEST_INTERVAL => Ok(interval),
        _ => Err(format!("a number of seconds from {SHORTEST_INTERVAL} to {MOST_SECONDS}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=MOST_SECONDS).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds from 0 to {MOST_SECONDS}")),
    }
}

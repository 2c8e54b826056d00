//! The control commands: name, help and arguments in one table.
//!
//! A new command is one entry. Where it stands: read by the parser of arguments.

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, FromArgMatches, Subcommand};
use serde_json::{Map, Value};

/// One command.
struct Entry {
    name: &'static str,
    about: &'static str,
    arguments: &'static [Argument],
    /// It changes nothing, so it may be asked again and again.
    question: bool,
}

/// One option of a command; it becomes a key of the request's data.
struct Argument {
    name: &'static str,
    help: &'static str,
    required: bool,
    /// The only values; any text if empty.
    choices: &'static [&'static str],
}

const fn option(name: &'static str, help: &'static str) -> Argument {
    Argument { name, help, required: false, choices: &[] }
}

/// The last line of each command's help.
const CODES: &str = "Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments.";

const LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

const COMMANDS: &[Entry] = &[
    question("alive", "Who is there: an empty reply of every service", &[]),
    question("running", "Tasks that run or wait, all or those that match", WHICH),
    order("cancel", "Cancel tasks that run or wait: those that match, or all", WHICH),
    question(
        "aio_tasks",
        "The tasks of the service's own runtime, and what each is at",
        &[option("limit", "The most lines about each")],
    ),
    question("workers", "The worker processes and what each of them does", &[]),
    question("stack", "What running tasks are doing: the Python stacks of their workers", WHICH),
    question("main", "Counters of the service and its pool", &[]),
    question("producers", "Where tasks come from, and how many came from each", &[]),
    question("status", "Everything that the questions above say, in one reply", &[]),
    question("ended", "The last tasks that are over, and how they ended", ENDED),
    question("chunks", "Long messages of which pieces are missing", &[]),
    question("metrics", "The metrics server and what became of its requests", &[]),
    order("pause", "Begin no more tasks; new ones are taken and wait", &[]),
    order(
        "quiet",
        "Take no more tasks and end those that are here, for a deploy",
        &[option("wait", "Seconds to wait until none is left; what is left then is a failure")],
    ),
    order("resume", "Take and begin tasks again, after pause or quiet", &[]),
    order(
        "recycle",
        "Replace workers, each after its task, one after the other",
        &[
            option("worker", "Only the worker of this number"),
            option("pool", "Only the workers of this pool"),
        ],
    ),
    order(
        "scale",
        "Change the numbers of workers until the service is started again",
        &[
            option("min", "Workers that are always there"),
            option("max", "Workers at most"),
            option("pool", "The pool; needed where there are several"),
        ],
    ),
    order(
        "set_log_level",
        "Change how much the service logs",
        &[Argument {
            name: "level",
            help: "The least important messages to log",
            required: true,
            choices: LEVELS,
        }],
    ),
];

const WHICH: &[Argument] =
    &[option("task", "Only tasks of this name"), option("uuid", "Only the task with this uuid")];

const ENDED: &[Argument] = &[
    option("task", "Only tasks of this name"),
    option("uuid", "Only the task with this uuid"),
    option("outcome", "Only those that ended so: success, failure, cancelled, timed_out, refused or lost"),
    option("limit", "The most tasks; 20"),
];

/// A command that changes nothing.
const fn question(name: &'static str, about: &'static str, arguments: &'static [Argument]) -> Entry {
    Entry { name, about, arguments, question: true }
}

/// A command that changes something.
const fn order(name: &'static str, about: &'static str, arguments: &'static [Argument]) -> Entry {
    Entry { name, about, arguments, question: false }
}

/// What is asked of the services.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) command: String,
    pub(crate) data: Map<String, Value>,
}

impl Request {
    /// Whether it changes nothing.
    pub(crate) fn is_question(&self) -> bool {
        COMMANDS.iter().any(|entry| entry.name == self.command && entry.question)
    }
}

impl Entry {
    fn command(&self) -> Command {
        Command::new(self.name)
            .about(self.about)
            .after_help(CODES)
            .args(self.arguments.iter().map(Argument::arg))
    }
}

impl Argument {
    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name).long(self.name).help(self.help).required(self.required);
        let arg = arg.value_name(self.name.to_uppercase());
        if self.choices.is_empty() {
            arg
        } else {
            arg.value_parser(PossibleValuesParser::new(self.choices)).ignore_case(true)
        }
    }
}

impl Subcommand for Request {
    fn augment_subcommands(command: Command) -> Command {
        command
            .subcommands(COMMANDS.iter().map(Entry::command))
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("COMMAND")
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        COMMANDS.iter().any(|entry| entry.name == name)
    }
}

impl FromArgMatches for Request {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let chosen = matches
            .subcommand()
            .and_then(|(name, inner)| Some((COMMANDS.iter().find(|entry| entry.name == name)?, inner)));
        let (entry, inner) = chosen.ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))?;
        let given = entry.arguments.iter().filter_map(|argument| {
            let text = inner.get_one::<String>(argument.name)?;
            let text = if argument.choices.is_empty() { text.clone() } else { text.to_uppercase() };
            Some((argument.name.to_owned(), Value::String(text)))
        });
        Ok(Request { command: entry.name.to_owned(), data: given.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

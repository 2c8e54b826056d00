//! Control commands: questions and orders, answered between two inputs of the engine, so that an answer is exact
//! and in order with the work.
//!
//! A closed list: one line a command. A command looks and calls; it holds no logic of its own.

mod aio_tasks;
mod chunks;
mod ended;
mod entries;
mod filter;
mod log_level;
mod main_status;
mod metrics;
mod pools;
mod producers;
mod recycle;
mod run;
mod running;
mod scale;
mod stack;
mod status;
mod switches;
mod workers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_engine::{Engine, WorkerId};
use dispatcher_protocol::to_ascii_json;
use serde_json::{Map, Value};

use crate::driver::{BrokerLink, Driver};
use crate::gate::Gate;
use crate::tally::{LogTally, Tally};
use crate::web::Web;
use crate::worker::WorkerHandle;

pub(crate) use stack::{LastStacks, Stacks};

/// The longest reply, in bytes. Lists end long before; what is longer all the same is not sent.
const MAX_REPLY: usize = 4 * 1024 * 1024;

/// How much of an unknown command's name is repeated, in characters.
const NAME_SHOWN: usize = 64;

/// Commands that change nothing: without somebody who waits for the reply there is nothing to do.
const QUESTIONS: &[&str] = &[
    "alive",
    "running",
    "workers",
    "aio_tasks",
    "main",
    "producers",
    "chunks",
    "status",
    "metrics",
    "stack",
];

/// How many answers may wait for workers; whoever asks for more is told to ask again.
const LATER: usize = 64;

/// What a command says.
pub(crate) type Reply = Map<String, Value>;

/// Changes the log level and gives the one before, or says what is wrong with the new one.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// What is true of this service as a whole.
pub(crate) struct Service {
    pub(crate) node_id: String,
    pub(crate) started: Instant,
    pub(crate) shutdown_grace: Duration,
    pub(crate) set_log_level: Option<SetLogLevel>,
    /// Whether `run` may start tasks.
    pub(crate) control_producer: bool,
    /// How many tasks `run` has started; none when it may not.
    pub(crate) control_produced: u64,
    /// How many tasks the configuration starts once.
    pub(crate) on_start: usize,
    /// What has happened, for metrics.
    pub(crate) tally: Tally,
    /// What is missing in the log.
    pub(crate) log: Arc<LogTally>,
    /// Which requests are answered.
    pub(crate) gate: Gate,
    /// What tasks were doing that were ended by force.
    pub(crate) last_stacks: LastStacks,
    /// The metrics server, when there is one.
    pub(crate) web: Option<Web>,
}

/// What a command can look at and call.
pub(crate) struct Context<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) service: &'a mut Service,
    pub(crate) workers: &'a HashMap<WorkerId, WorkerHandle>,
    pub(crate) brokers: &'a [BrokerLink],
    pub(crate) now: Instant,
}

impl<'a> Context<'a> {
    pub(crate) fn of(driver: &'a mut Driver, now: Instant) -> Self {
        Self {
            engine: &mut driver.engine,
            service: &mut driver.service,
            workers: &driver.workers,
            brokers: &driver.brokers,
            now,
        }
    }
}

/// What a request leads to.
pub(crate) enum Answer {
    /// The reply.
    Now(Reply),
    /// Its reply, as soon as workers have said what they are doing.
    Later(Stacks),
}

type Command = fn(&mut Context<'_>, &Reply) -> Reply;

/// Every command by the name that requests use.
const COMMANDS: &[(&str, Command)] = &[
    ("alive", |_, _| Reply::new()),
    ("running", running::running),
    ("cancel", running::cancel),
    ("workers", workers::workers),
    ("aio_tasks", aio_tasks::aio_tasks),
    ("main", main_status::main_status),
    ("producers", producers::producers),
    ("chunks", chunks::chunks),
    ("status", status::status),
    ("metrics", metrics::metrics),
    ("run", run::run),
    ("ended", ended::ended),
    ("pause", switches::pause),
    ("quiet", switches::quiet),
    ("resume", switches::resume),
    ("recycle", recycle::recycle),
    ("scale", scale::scale),
    ("set_log_level", log_level::set_log_level),
];

/// Answers a request; an unknown command is answered too.
pub(crate) fn answer(driver: &mut Driver, command: &str, data: &Reply, now: Instant) -> Answer {
    let waiting = driver.questions.len();
    let mut context = Context::of(driver, now);
    if command == stack::NAME {
        return stack::stack(&mut context, data, waiting < LATER);
    }
    Answer::Now(match COMMANDS.iter().find(|(name, _)| *name == command) {
        Some((_, answer)) => answer(&mut context, data),
        None => error(format!("No control method {}", shown(command))),
    })
}

/// Whether a command does something, whoever hears of it.
pub(crate) fn acts(command: &str) -> bool {
    !QUESTIONS.contains(&command)
}

/// A reply of this service as its text; one that is too long says that instead.
pub(crate) fn write(mut reply: Reply, node_id: &str) -> String {
    reply.insert("node_id".to_owned(), node_id.into());
    let text = to_ascii_json(&Value::Object(reply));
    if text.len() <= MAX_REPLY {
        return text;
    }
    write(error(format!("the reply would have {} bytes, the limit is {MAX_REPLY}", text.len())), node_id)
}

/// A text of somebody's choice, no longer than a name.
fn shown(command: &str) -> String {
    match command.char_indices().nth(NAME_SHOWN) {
        Some((end, _)) => format!("{}... ({} bytes)", &command[..end], command.len()),
        None => command.to_owned(),
    }
}

/// A reply written as JSON; anything but an object says nothing.
fn object(reply: Value) -> Reply {
    match reply {
        Value::Object(reply) => reply,
        _ => Reply::new(),
    }
}

/// A reply that says what is wrong.
fn error(what: impl Into<String>) -> Reply {
    Reply::from_iter([("error".to_owned(), Value::String(what.into()))])
}

/// A whole number, or the text of one, as a command line sends it.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64().and_then(|number| number.try_into().ok()),
    }
}

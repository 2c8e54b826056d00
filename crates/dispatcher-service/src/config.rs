//! The configuration of one service as types, every default in place.
//!
//! Reads a `version: 2` file (YAML or JSON) from a path, an inherited descriptor or text, and gives either a
//! [`Config`] that the service can run or every complaint at once. It never connects, never starts anything and
//! never prints a password: a complaint names the place of a secret, not its text.
//!
//! Where it stands: before everything. `text → tree with positions → the shapes of old samples put right →
//! the table's check → the rules between keys → Config`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dispatcher_broker::{Options, SelfCheck, Settings};
use serde_json::{Map, Value};

mod complaint;
mod tree;
mod scalar;
mod size;
mod yaml;
mod old_shapes;
mod table;
mod check;
mod cron;
mod rules;
mod build;
mod schema;
mod show;
mod isolation;
mod pools;
mod worker;

pub use complaint::{Complaint, Complaints, Position, Severity};
pub use cron::Cron;
pub use isolation::{Account, CgroupUse, Isolation};
pub use pools::{DEFAULT_POOL, Pool};
pub use worker::{Concurrency, Policy, StartMethod, TaskPolicy, Worker};

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file by its path.
    File(PathBuf),
    /// Text that is already here, under the name that complaints show (`standard input`, `descriptor 3`).
    Text {
        /// What complaints call it.
        name: String,
        /// YAML or JSON.
        text: String,
    },
}

/// Everything the service needs to know, checked, with every default in place.
#[derive(Clone)]
pub struct Config {
    /// The whole file as JSON, with the shapes of old samples put right; what workers receive as their settings.
    pub raw: Value,
    /// The name of this service in every reply (`service.main_kwargs.node_id`); a random UUID by default.
    pub node_id: String,
    /// Which tasks a message may name.
    pub policy: Policy,
    /// Who runs tasks: one pool, or those of `pools` in the order of the file. The first takes what no other claims.
    pub pools: Vec<Pool>,
    /// How long running tasks may finish after SIGTERM before they are cancelled; 30 s, 0 cancels at once.
    pub shutdown_grace: Duration,
    /// How long a cancelled task has before its worker gets SIGTERM; 5 s.
    pub cancel_grace: Duration,
    /// How long a worker has after SIGTERM before SIGKILL; 3 s.
    pub terminate_grace: Duration,
    /// How long the service may be stuck before it ends itself; 60 s, `None` for ever.
    pub stall_limit: Option<Duration>,
    /// How long the first chunks of a message wait for the others; 30 min.
    pub chunk_message_timeout: Duration,
    /// Control requests by one broker, or of one worker's tasks, that are answered each second; 50.
    pub control_rate: u32,
    /// Tasks that may be here, running ones included; 1,000,000.
    pub queue_limit: usize,
    /// Bytes that they may take; 256 MiB.
    pub queue_bytes: usize,
    /// Where messages come from, in the order of the file.
    pub brokers: Vec<BrokerConfig>,
    /// Tasks that run again and again.
    pub schedules: Vec<Schedule>,
    /// Tasks that run once when the service starts.
    pub on_start: Vec<OnStart>,
    /// Whether the control command `run` may start tasks (`producers.ControlProducer` is present).
    pub control_producer: bool,
    /// The metrics server, if the file asks for one.
    pub metrics: Option<Metrics>,
    /// Which broker a publisher uses when it does not say.
    pub publish: Publish,
    /// What the file says that has no effect, or another one than it seems; no errors.
    pub warnings: Vec<Complaint>,
}

/// `service.pool_kwargs`, or the same keys of one of the `pools`.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// Workers that are always there; 1.
    pub min_workers: u32,
    /// Workers at most; the number of CPUs, never fewer than `min_workers`.
    pub max_workers: u32,
    /// How long fewer workers must have been enough before one is let go; 15 s.
    pub scaledown_wait: Duration,
    /// How often that is looked at; 15 s.
    pub scaledown_interval: Duration,
    /// Idle workers kept beyond what is needed; 0.
    pub scaledown_reserve: u32,
    /// How long a worker that was told to stop may take before it is signalled; 30 s.
    pub worker_stop_wait: Duration,
    /// How long the record of a worker is kept after its end; 30 s.
    pub worker_removal_wait: Duration,
    /// Age at which a worker is replaced; 4 h, `None` never.
    pub worker_max_lifetime: Option<Duration>,
    /// How long to wait for a result from any worker; `None` for ever.
    pub results_read_timeout: Option<Duration>,
}

/// One entry of `brokers`.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The name as written: `pg_notify`, `socket`, or a dotted module.
    pub name: String,
    /// What the native service uses for that name.
    pub kind: BrokerKind,
    /// Channels the service listens to.
    pub channels: Vec<String>,
    /// Where messages go that name no channel; the only channel if there is just one.
    pub default_publish_channel: Option<String>,
    /// Silence after which the connection is tested; 30 s, `None` never.
    pub max_connection_idle: Option<Duration>,
    /// How old the answer of that test may be; 2 s, `None` when there is no test.
    pub max_self_check_message_age: Option<Duration>,
    /// `config` of `pg_notify`: libpq keywords or a conninfo, in the order of the file.
    pub connection: Settings,
    /// `socket_path` of `socket`.
    pub socket_path: Option<PathBuf>,
}

/// The brokers the native service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// Notifications of Postgres.
    PgNotify,
    /// A Unix socket.
    Socket,
    /// Listens to nothing and sends nothing.
    Noop,
}

/// One entry of `producers.ScheduledProducer.task_schedule`.
#[derive(Clone)]
pub struct Schedule {
    /// The task's name.
    pub task: String,
    /// When it runs (`schedule`, or `cron` and `timezone`).
    pub when: When,
    /// Each run is late by chance, at most by this (`jitter`, seconds); zero.
    pub jitter: Duration,
    /// The other keys of the entry, which become part of the message (`args`, `kwargs`, `on_duplicate`, …).
    pub message: Map<String, Value>,
}

/// When a task of the schedule runs.
#[derive(Clone, Debug)]
pub enum When {
    /// Again and again, with this time between two runs; more than 0.
    Every(Duration),
    /// At the times of a pattern.
    At(Box<Cron>),
}

/// One entry of `producers.OnStartProducer.task_list`.
#[derive(Clone)]
pub struct OnStart {
    /// The task's name.
    pub task: String,
    /// Keys that become part of the message.
    pub message: Map<String, Value>,
}

/// `service.metrics_kwargs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// The address to listen on; `localhost`.
    pub host: String,
    /// The port; 8070.
    pub port: u16,
}

/// `publish`.
#[derive(Debug, Clone, Default)]
pub struct Publish {
    /// The broker of tasks; `None` if there are several and none is named.
    pub default_broker: Option<String>,
    /// The broker of control requests; by default that of tasks.
    pub default_control_broker: Option<String>,
}

impl BrokerConfig {
    /// Where a message goes that names no channel; none when the file leaves it open. The socket has no channels, so
    /// any name will do.
    pub fn publish_channel(&self) -> Option<&str> {
        match self.kind {
            BrokerKind::Socket => Some(""),
            _ => self.default_publish_channel.as_deref(),
        }
    }

    /// What `dispatcher_broker::build` and `client` want.
    pub fn options(&self) -> Options {
        let pair = self.max_connection_idle.zip(self.max_self_check_message_age);
        Options {
            config: self.connection.clone(),
            channels: self.channels.clone(),
            self_check: pair.map(|(after_idle, max_age)| SelfCheck { after_idle, max_age }),
            socket_path: self.socket_path.clone(),
            ..Options::default()
        }
    }
}

impl Schedule {
    /// The task message as JSON text, as a publisher would have sent it.
    pub fn payload(&self) -> String {
        build::payload(&self.task, &self.message)
    }
}

impl OnStart {
    /// The task message as JSON text, as a publisher would have sent it.
    pub fn payload(&self) -> String {
        build::payload(&self.task, &self.message)
    }
}

/// Reads and checks a configuration.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text, warnings included.
pub fn load(source: Source) -> Result<Config, Complaints> {
    let (source, text) = match source {
        Source::Text { name, text } => (name, Ok(text)),
        Source::File(path) => (path.display().to_string(), read(&path)),
    };
    let mut list = Vec::new();
    let root = match text.and_then(|text| yaml::parse(&text, &mut list)) {
        Ok(mut root) => {
            old_shapes::put_right(&mut root, &mut list);
            check::check(&root, &mut list);
            rules::check(&root, &mut list);
            root
        }
        Err(complaint) => {
            list.push(complaint);
            return Err(Complaints { source, list });
        }
    };
    list.sort_by_key(|complaint| complaint.position);
    if list.iter().any(Complaint::is_error) {
        return Err(Complaints { source, list });
    }
    Ok(build::config(&root, list))
}

/// The text of a file; a file that is too long is refused, not read.
fn read(path: &Path) -> Result<String, Complaint> {
    let refuse = |what: String| Complaint::error("", None, what);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if bytes.len() > yaml::MAX_BYTES {
        return Err(refuse(format!("longer than {} bytes, which no configuration is", yaml::MAX_BYTES)));
    }
    String::from_utf8(bytes).map_err(|error| refuse(format!("not UTF-8: {}", error.utf8_error())))
}

/// The JSON Schema (draft 2020-12) of the file.
pub fn schema() -> Value {
    schema::schema()
}

/// A random UUID (version 4) as text. Unique, not secret.
pub fn random_uuid() -> String {
    let version = 0x4000_u128 << 64;
    let variant = 0x8000_u128 << 48;
    let kept = !(0xf000_u128 << 64 | 0xc000_u128 << 48);
    let hex = format!("{:032x}", fastrand::u128(..) & kept | version | variant);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

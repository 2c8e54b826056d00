//! A checked tree to types: what the file says, else what the table says.
//!
//! Finds nothing wrong; a value of another shape than the table's is taken for absent. Where it stands: the last
//! step of loading.

mod isolation;
mod worker;

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use dispatcher_broker::Settings;
use serde_json::{Map, Value};

use super::pools;
use super::table::{self, MOST_SECONDS};
use super::tree::{Entry, Node};
use super::{
    BrokerConfig, BrokerKind, Complaint, Config, Cron, Metrics, OnStart, Pool, Publish, Schedule, Size, When,
};
pub(super) use isolation::{cgroup, limit, umask};
pub(super) use worker::{POLICY_VARIABLE, idle_timeout, policy_of_environment};

/// Keyword arguments of psycopg's `connect` that are not connection settings.
const PSYCOPG_ONLY: &[&str] =
    &["autocommit", "prepare_threshold", "row_factory", "cursor_factory", "context"];

/// Everything in its place.
pub(super) fn config(root: &Node, warnings: Vec<Complaint>) -> Config {
    let service = Reader { root, base: &["service"] };
    let main = Reader { root, base: &["service", "main_kwargs"] };
    Config {
        raw: root.to_json(),
        node_id: main.text("node_id").unwrap_or_else(super::random_uuid),
        policy: worker::policy(root),
        pools: pools(root),
        shutdown_grace: service.seconds("shutdown_grace"),
        cancel_grace: service.seconds("cancel_grace"),
        terminate_grace: service.seconds("terminate_grace"),
        stall_limit: service.maybe_seconds("stall_limit"),
        control_rate: service.count("control_rate").unwrap_or(50),
        chunk_message_timeout: main.seconds("chunk_message_timeout_seconds"),
        queue_limit: service.count("queue_limit").map_or(usize::MAX, |tasks| tasks as usize),
        queue_bytes: service
            .bytes("queue_bytes")
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or(usize::MAX),
        brokers: brokers(root),
        schedules: tasks(root, "ScheduledProducer", "task_schedule").filter_map(schedule).collect(),
        on_start: tasks(root, "OnStartProducer", "task_list").map(on_start).collect(),
        control_producer: root.find(&["producers", "ControlProducer"]).is_some(),
        metrics: metrics(root),
        publish: publish(root),
        warnings,
    }
}

/// The keys of one section.
struct Reader<'a> {
    root: &'a Node,
    base: &'a [&'a str],
}

impl Reader<'_> {
    /// What stands in the file; the table's default if nothing does.
    fn value(&self, name: &str) -> Value {
        let path = [self.base, &[name]].concat();
        if let Some(node) = self.root.find(&path) {
            return node.to_json();
        }
        let default = table::find(&path).map_or("null", |key| key.default);
        serde_json::from_str(default).unwrap_or(Value::Null)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name).as_str().map(str::to_owned).filter(|text| !text.is_empty())
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let value = self.value(name);
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A size in bytes.
    fn bytes(&self, name: &str) -> Option<u64> {
        super::size::of(&Node::from_json(self.value(name)))
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or(false)
    }

    fn count(&self, name: &str) -> Option<u32> {
        self.value(name).as_u64().and_then(|count| count.try_into().ok())
    }

    fn maybe_seconds(&self, name: &str) -> Option<Duration> {
        duration(&self.value(name))
    }

    fn seconds(&self, name: &str) -> Duration {
        self.maybe_seconds(name).unwrap_or_default()
    }
}

/// Seconds, as a number or as text that is one.
fn duration(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    (0.0..=MOST_SECONDS).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// The pools of the file, each built from what the file would be if it were the only one.
fn pools(root: &Node) -> Vec<Pool> {
    let one = |name: &str, root: &Node| Pool {
        name: name.to_owned(),
        size: size(&Reader { root, base: &["service", "pool_kwargs"] }),
        worker: worker::worker(root),
        tasks: Vec::new(),
        queues: Vec::new(),
    };
    let named = pools::entries(root).iter().map(|entry| {
        let read = Reader { root: &entry.value, base: &[] };
        let (tasks, queues) = (read.texts("tasks"), read.texts("queues"));
        Pool { tasks, queues, ..one(&entry.key, &pools::alone(root, entry)) }
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() { vec![one(pools::DEFAULT_POOL, root)] } else { named }
}

fn size(pool: &Reader<'_>) -> Size {
    let min_workers = pool.count("min_workers").unwrap_or(1);
    let cpus = || available_parallelism().map_or(1, |count| count.get() as u32);
    Size {
        min_workers,
        max_workers: pool.count("max_workers").unwrap_or_else(cpus).max(min_workers).max(1),
        scaledown_wait: pool.seconds("scaledown_wait"),
        scaledown_interval: pool.seconds("scaledown_interval"),
        scaledown_reserve: pool.count("scaledown_reserve").unwrap_or(0),
        worker_stop_wait: pool.seconds("worker_stop_wait"),
        worker_removal_wait: pool.seconds("worker_removal_wait"),
        worker_max_lifetime: pool.maybe_seconds("worker_max_lifetime_seconds"),
        results_read_timeout: pool.maybe_seconds("results_read_timeout"),
    }
}

fn brokers(root: &Node) -> Vec<BrokerConfig> {
    let names = root.find(&["brokers"]).map_or(&[][..], Node::entries);
    names.iter().filter_map(|entry| broker(&entry.key, root)).collect()
}

/// One broker of the tree; none if there is none of that name.
pub(super) fn broker(name: &str, root: &Node) -> Option<BrokerConfig> {
    let node = root.find(&["brokers", name])?;
    let base = ["brokers", name];
    let read = Reader { root, base: &base };
    let kind = match name {
        "pg_notify" => BrokerKind::PgNotify,
        "socket" => BrokerKind::Socket,
        _ => BrokerKind::Noop,
    };
    let channels = read.texts("channels");
    let only = if let [only] = channels.as_slice() { Some(only.clone()) } else { None };
    let idle = read.maybe_seconds("max_connection_idle_seconds");
    Some(BrokerConfig {
        name: name.to_owned(),
        kind,
        default_publish_channel: read.text("default_publish_channel").or(only),
        channels,
        max_connection_idle: idle,
        max_self_check_message_age: idle
            .and_then(|_| read.maybe_seconds("max_self_check_message_age_seconds")),
        connection: node.entry("config").map_or_else(Settings::default, |entry| settings(&entry.value)),
        socket_path: read.text("socket_path").map(PathBuf::from),
    })
}

/// Connection settings as text, in the order of the file.
fn settings(config: &Node) -> Settings {
    let entries = config.entries().iter();
    entries
        .filter(|entry| !entry.value.is_null() && !PSYCOPG_ONLY.contains(&entry.key.as_str()))
        .map(|entry| {
            let text = entry.value.as_text().map_or_else(|| entry.value.to_json().to_string(), str::to_owned);
            (entry.key.clone(), text)
        })
        .collect()
}

fn tasks<'a>(root: &'a Node, producer: &str, list: &str) -> impl Iterator<Item = &'a Entry> {
    root.find(&["producers", producer, list]).map_or(&[][..], Node::entries).iter()
}

fn schedule(entry: &Entry) -> Option<Schedule> {
    let (mut message, mut own) = (entry.value.to_json_map(), Map::new());
    for key in SCHEDULE_KEYS {
        own.extend(message.shift_remove(*key).map(|value| ((*key).to_owned(), value)));
    }
    let when = match own.get("schedule").and_then(duration) {
        Some(every) => When::Every(every),
        None => When::At(Box::new(cron(&entry.value)?.ok()?)),
    };
    let jitter = own.get("jitter").and_then(duration).unwrap_or_default();
    Some(Schedule { task: entry.key.clone(), when, jitter, message })
}

/// The keys of a scheduled task that are not part of its message.
const SCHEDULE_KEYS: &[&str] = &["schedule", "cron", "timezone", "jitter"];

/// The pattern of a scheduled task, if it has one.
pub(super) fn cron(task: &Node) -> Option<Result<Cron, String>> {
    let text = |key: &str| task.entry(key).and_then(|entry| entry.value.as_text());
    Some(Cron::parse(text("cron")?, text("timezone").unwrap_or("UTC")))
}

fn on_start(entry: &Entry) -> OnStart {
    OnStart { task: entry.key.clone(), message: entry.value.to_json_map() }
}

/// The message that a task of the config becomes.
pub(super) fn task_payload(name: &str, options: &Node) -> String {
    let mut message = options.to_json_map();
    for key in SCHEDULE_KEYS {
        message.shift_remove(*key);
    }
    payload(name, &message)
}

/// A task message as JSON text.
pub(super) fn payload(task: &str, options: &Map<String, Value>) -> String {
    let mut message = options.clone();
    message.insert("task".to_owned(), Value::from(task));
    Value::Object(message).to_string()
}

fn metrics(root: &Node) -> Option<Metrics> {
    root.find(&["service", "metrics_kwargs"]).filter(|node| !node.is_null())?;
    let read = Reader { root, base: &["service", "metrics_kwargs"] };
    let port = read.value("port").as_u64().and_then(|port| port.try_into().ok())?;
    Some(Metrics { host: read.text("host").unwrap_or_default(), port })
}

fn publish(root: &Node) -> Publish {
    let read = Reader { root, base: &["publish"] };
    let names = root.find(&["brokers"]).map_or(&[][..], Node::entries);
    let only = if let [only] = names { Some(only.key.clone()) } else { None };
    // The only broker is used whatever `default_broker` says, as in dispatcherd.
    let default_broker = only.or_else(|| read.text("default_broker"));
    let default_control_broker = read.text("default_control_broker").or_else(|| default_broker.clone());
    Publish { default_broker, default_control_broker }
}

//! Rules between keys, and what a broker and a task message say about themselves.
//!
//! Changes nothing. Where it stands: after `check`, for those parts of the tree that passed it.

mod isolation;
mod pools;

use dispatcher_protocol as protocol;

use super::build;
use super::check::wrong_version;
use super::tree::{Data, Node, join};
use super::{Complaint, Position};

/// The longest path that fits the address of a Unix socket (`sun_path` less its zero byte).
const MAX_SOCKET_PATH: usize = 107;

/// Looks at everything that one key cannot say alone.
pub(super) fn check(root: &Node, complaints: &mut Vec<Complaint>) {
    let mut rules = Rules { root, complaints };
    rules.version();
    rules.pool();
    rules.stall();
    rules.preload();
    rules.pg_notify();
    rules.socket();
    rules.publish();
    rules.worker();
    rules.isolation();
    rules.schedules();
    rules.tasks("ScheduledProducer", "task_schedule");
    rules.tasks("OnStartProducer", "task_list");
    rules.pools();
}

struct Rules<'a> {
    root: &'a Node,
    complaints: &'a mut Vec<Complaint>,
}

impl Rules<'_> {
    fn find(&self, path: &str) -> Option<&Node> {
        self.root.find(&path.split('.').collect::<Vec<_>>())
    }

    fn at(&self, path: &str) -> Option<Position> {
        self.find(path).and_then(|node| node.at)
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.find(path).and_then(Node::as_text)
    }

    fn number(&self, path: &str) -> Option<f64> {
        match &self.find(path)?.data {
            Data::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    fn error(&mut self, path: &str, what: impl Into<String>, hint: &str) {
        let complaint = Complaint::error(path, self.at(path), what);
        self.complaints.push(if hint.is_empty() { complaint } else { complaint.hint(hint) });
    }

    fn warning(&mut self, path: &str, what: impl Into<String>, hint: &str) {
        let complaint = Complaint::warning(path, self.at(path), what);
        self.complaints.push(if hint.is_empty() { complaint } else { complaint.hint(hint) });
    }

    /// Whether `check` found nothing wrong at or below a path.
    fn sound(&self, path: &str) -> bool {
        !self.complaints.iter().any(|complaint| complaint.is_error() && complaint.path.starts_with(path))
    }

    fn version(&mut self) {
        if matches!(self.root.data, Data::Map(_)) && self.root.entry("version").is_none() {
            self.complaints.push(wrong_version("version", self.root.at).hint("write `version: 2`"));
        }
    }

    fn pool(&mut self) {
        let max = "service.pool_kwargs.max_workers";
        let least = self.number("service.pool_kwargs.min_workers").unwrap_or(1.0);
        if self.number(max).is_some_and(|most| most < least) {
            self.warning(
                max,
                format!("is below min_workers; {least} workers will run"),
                "raise one or lower the other",
            );
        }
    }

    fn stall(&mut self) {
        let path = "service.stall_limit";
        if self.number(path).is_some_and(|limit| limit < 1.0) {
            self.error(
                path,
                "is less than a busy machine may take for a turn",
                "at least 1, or null for no limit",
            );
        }
    }

    fn preload(&mut self) {
        let path = "service.process_manager_kwargs.preload_modules";
        let manager = self.text("service.process_manager_cls").unwrap_or("ForkServerManager").to_owned();
        if manager != "ForkServerManager" && self.find(path).is_some_and(|node| !node.items().is_empty()) {
            self.error(
                path,
                format!("{manager} preloads nothing"),
                "use process_manager_cls: ForkServerManager",
            );
        }
    }

    fn pg_notify(&mut self) {
        let path = "brokers.pg_notify";
        let Some(broker) = self.find(path) else { return };
        let config = broker.entry("config").map(|entry| &entry.value);
        if config.is_none_or(|config| {
            config.is_null() || matches!(&config.data, Data::Map(keys) if keys.is_empty())
        }) {
            let hint =
                "write `config: {conninfo: …}`; an empty conninfo takes everything from the PG* variables";
            self.error(path, "has no config, so there is no telling how to connect", hint);
        }
        self.self_check(path);
        self.twice(&join(path, "channels"));
        if self.sound(path)
            && let Some(broker) = build::broker("pg_notify", self.root)
            && let Err(error) = dispatcher_broker::build("pg_notify", broker.options())
        {
            self.error("brokers.pg_notify.config", error.to_string(), "");
        }
    }

    /// The test of a silent connection needs a deadline, and the deadline has to come before the next test.
    fn self_check(&mut self, path: &str) {
        let age_path = join(path, "max_self_check_message_age_seconds");
        let idle_path = join(path, "max_connection_idle_seconds");
        if self.find(&idle_path).is_some_and(Node::is_null) {
            return;
        }
        if self.find(&age_path).is_some_and(Node::is_null) {
            let what = "max_self_check_message_age_seconds must be specified if health checks are enabled";
            return self.error(
                &age_path,
                what,
                "give it a number, or set max_connection_idle_seconds to null too",
            );
        }
        let age = self.number(&age_path).unwrap_or(2.0);
        let idle = self.number(&idle_path).unwrap_or(10.0);
        if age > idle {
            let place = if self.find(&age_path).is_some() { age_path } else { idle_path };
            self.error(&place, format!("max_self_check_message_age_seconds ({age}) is more than max_connection_idle_seconds ({idle})"), "");
        }
    }

    fn twice(&mut self, path: &str) {
        let Some(list) = self.find(path) else { return };
        let items = list.items();
        let again: Vec<usize> = (1..items.len())
            .filter(|index| {
                items[*index]
                    .as_text()
                    .is_some_and(|name| items[..*index].iter().any(|item| item.as_text() == Some(name)))
            })
            .collect();
        for index in again {
            let at = self.find(path).and_then(|list| list.items()[index].at);
            self.complaints.push(Complaint::warning(
                &format!("{path}[{index}]"),
                at,
                "stands in the list already",
            ));
        }
    }

    fn socket(&mut self) {
        let path = "brokers.socket.socket_path";
        if self.find("brokers.socket").is_none() {
            return;
        }
        match self.find(path) {
            None => self.error(
                "brokers.socket",
                "socket_path is missing",
                "write `socket_path: /run/dispatcher.sock`",
            ),
            Some(node) => match node.as_text() {
                Some("") => self.error(path, "is blank", ""),
                Some(text) if text.len() > MAX_SOCKET_PATH => {
                    self.error(
                        path,
                        format!("is {} bytes long; a socket's address holds {MAX_SOCKET_PATH}", text.len()),
                        "",
                    );
                }
                _ => {}
            },
        }
    }

    fn publish(&mut self) {
        for key in ["default_broker", "default_control_broker"] {
            let path = join("publish", key);
            let Some(name) = self.text(&path).map(str::to_owned) else { continue };
            let brokers = self.find("brokers").map_or(&[][..], Node::entries);
            if !brokers.iter().any(|broker| broker.key == name) {
                let names: Vec<&str> = brokers.iter().map(|broker| broker.key.as_str()).collect();
                let hint =
                    if names.is_empty() { String::new() } else { format!("there are {}", names.join(", ")) };
                self.error(&path, format!("{name:?} is not one of the brokers of this file"), &hint);
            }
        }
    }

    /// The environment may name the policy where the file names none.
    fn policy_of_environment(&mut self) {
        if self.find("worker.task_policy").is_some() {
            return;
        }
        if let Some(Err(word)) = build::policy_of_environment() {
            self.error(
                "worker.task_policy",
                format!("{} is {word:?} in the environment", build::POLICY_VARIABLE),
                "set it to registered or any, or unset it",
            );
        }
    }

    fn worker(&mut self) {
        self.policy_of_environment();
        let policy = self.text("worker.task_policy").unwrap_or("registered").to_owned();
        let prefixes = self.find("worker.task_prefixes").is_some_and(|list| !list.items().is_empty());
        if policy == "prefix" && !prefixes {
            self.error(
                "worker.task_policy",
                "prefix without worker.task_prefixes would refuse every task",
                "list the prefixes",
            );
        }
        if policy != "prefix" && prefixes {
            self.warning(
                "worker.task_prefixes",
                format!("has no effect while task_policy is {policy}"),
                "set task_policy: prefix",
            );
        }
        if self
            .find("worker.command")
            .is_some_and(|list| matches!(&list.data, Data::List(words) if words.is_empty()))
        {
            self.error(
                "worker.command",
                "is an empty list",
                "name the program, or leave the key out for Python",
            );
        }
        self.slots();
        let idle = self.find("worker.worker_kwargs.idle_timeout");
        if idle.is_some_and(|node| !node.is_null()) && build::idle_timeout(self.root).is_err() {
            self.error("worker.worker_kwargs.idle_timeout", "has to be a number of seconds, 0 or more", "");
        }
    }

    fn slots(&mut self) {
        let concurrency = self.text("worker.concurrency").unwrap_or("process").to_owned();
        let Some(slots) = self.number("worker.slots") else { return };
        if concurrency == "process" && slots > 1.0 && self.find("worker.command").is_none_or(Node::is_null) {
            self.error(
                "worker.slots",
                "a worker runs one task at a time while worker.concurrency is process",
                "set concurrency to async or threads, or service.pool_kwargs.max_workers to have more workers",
            );
        } else if concurrency != "process" && slots < 2.0 {
            self.warning(
                "worker.slots",
                format!("one task at a time is what concurrency: process does, and {concurrency} no better"),
                "set it to how many tasks are to run at once",
            );
        }
    }

    /// Every task of the config has to be a message that a publisher could have sent.
    fn tasks(&mut self, producer: &str, list: &str) {
        let base = join(&join("producers", producer), list);
        let tasks = self.find(&base).map_or(&[][..], Node::entries);
        let refused: Vec<_> = tasks
            .iter()
            .filter_map(|entry| {
                let payload = build::task_payload(&entry.key, &entry.value);
                let error = protocol::decode(payload).err()?;
                Some(Complaint::error(&join(&base, &entry.key), entry.at, error.to_string()))
            })
            .collect();
        self.complaints.extend(refused);
    }

    /// A scheduled task runs by an interval or by a pattern, and the pattern has to make sense.
    fn schedules(&mut self) {
        let base = "producers.ScheduledProducer.task_schedule";
        let mut wrong = Vec::new();
        for entry in self.find(base).map_or(&[][..], Node::entries) {
            let path = join(base, &entry.key);
            let has = |key: &str| entry.value.entry(key).is_some_and(|entry| !entry.value.is_null());
            let mut complain = |what: &str| wrong.push(Complaint::error(&path, entry.at, what));
            let what = match (has("schedule"), has("cron")) {
                (false, false) => "schedule is missing: the seconds between two runs; or cron, a pattern",
                (true, true) => "has both schedule and cron; one of them says when it runs",
                (true, false) if has("timezone") => "timezone means something only with cron",
                _ => "",
            };
            if !what.is_empty() {
                complain(what);
            }
            if let Some(Err(why)) = build::cron(&entry.value) {
                complain(&why);
            }
        }
        self.complaints.extend(wrong);
    }
}

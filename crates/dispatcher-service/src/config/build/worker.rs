//! `worker` of a checked tree, and the keys of `service` that are about workers, to types.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Map;

use super::{Reader, duration};
use crate::config::tree::Node;
use crate::config::{Concurrency, Policy, StartMethod, TaskPolicy, Worker};

pub(super) fn worker(root: &Node) -> Worker {
    let read = Reader { root, base: &["worker"] };
    let spawn = Reader { root, base: &["service"] }.text("process_manager_cls").as_deref()
        == Some("SpawnServerManager");
    let concurrency = read
        .text("concurrency")
        .and_then(|word| Concurrency::from_word(&word))
        .unwrap_or(Concurrency::Process);
    let slots = read.value("slots").as_u64().and_then(|slots| slots.try_into().ok());
    let command = Some(read.texts("command")).filter(|words| !words.is_empty());
    // A worker program that is told nothing chooses for itself.
    let speaks = command.is_none() || concurrency != Concurrency::Process;
    Worker {
        concurrency,
        slots: slots.or_else(|| speaks.then(|| concurrency.default_slots())),
        python: read.text("python").map(PathBuf::from),
        command,
        start_method: if spawn { StartMethod::Spawn } else { StartMethod::ForkServer },
        preload_modules: Reader { root, base: &["service", "process_manager_kwargs"] }
            .texts("preload_modules"),
        worker_cls: read.text("worker_cls"),
        worker_kwargs: root.find(&["worker", "worker_kwargs"]).map_or_else(Map::new, Node::to_json_map),
        idle_timeout: idle_timeout(root).unwrap_or_default(),
        max_tasks: read.value("max_tasks").as_u64(),
        max_rss: read.bytes("max_rss"),
        max_start_failures: read.count("max_start_failures"),
        isolation: super::isolation::isolation(root),
    }
}

pub(super) fn policy(root: &Node) -> Policy {
    let read = Reader { root, base: &["worker"] };
    Policy {
        task_policy: root
            .find(&["worker", "task_policy"])
            .and_then(Node::as_text)
            .and_then(TaskPolicy::from_word)
            .or_else(|| policy_of_environment().and_then(Result::ok))
            .unwrap_or(TaskPolicy::Registered),
        task_prefixes: read.texts("task_prefixes"),
        allow_eval: read.flag("allow_eval"),
    }
}

/// The policy for a file that names none: so a service can be switched over without a change of its file. Text that is
/// no policy is the error.
pub(in crate::config) fn policy_of_environment() -> Option<Result<TaskPolicy, String>> {
    let word = std::env::var(POLICY_VARIABLE).ok().filter(|word| !word.is_empty())?;
    Some(TaskPolicy::from_word(&word).filter(|policy| *policy != TaskPolicy::Prefix).ok_or(word))
}

/// Names the policy for a file that names none.
pub(in crate::config) const POLICY_VARIABLE: &str = "DISPATCHER_TASK_POLICY";

/// `worker.worker_kwargs.idle_timeout`; 0 is none.
pub(in crate::config) fn idle_timeout(root: &Node) -> Result<Option<Duration>, ()> {
    let Some(node) = root.find(&["worker", "worker_kwargs", "idle_timeout"]).filter(|node| !node.is_null())
    else {
        return Ok(None);
    };
    let idle = node.to_json().as_f64().and_then(|seconds| duration(&seconds.into())).ok_or(())?;
    Ok(Some(idle).filter(|idle| !idle.is_zero()))
}

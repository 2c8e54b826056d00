//! The settings of workers as types: the program that runs tasks, and what it may run.
//!
//! Where it stands: a part of `Config`, built by `build/worker.rs`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::isolation::Isolation;

/// How a Python worker process comes to be (`service.process_manager_cls`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartMethod {
    /// Forked from a preloaded template (`ForkServerManager`, and `ProcessManager`).
    ForkServer,
    /// A new interpreter for each worker (`SpawnServerManager`).
    Spawn,
}

/// `worker`, and the keys of `service` that are about workers.
#[derive(Clone)]
pub struct Worker {
    /// The Python interpreter; `None` finds one.
    pub python: Option<PathBuf>,
    /// A worker program instead of Python; first the program, then its arguments.
    pub command: Option<Vec<String>>,
    /// How a Python worker process comes to be; `ForkServer`.
    pub start_method: StartMethod,
    /// Modules that are imported once, before any worker is forked.
    pub preload_modules: Vec<String>,
    /// Dotted name of the worker class; `None` is the usual one.
    pub worker_cls: Option<String>,
    /// Keyword arguments of the worker class, as they stand in the file.
    pub worker_kwargs: Map<String, Value>,
    /// `worker_kwargs.idle_timeout`: silence after which a worker calls its idle hook; `None` never.
    pub idle_timeout: Option<Duration>,
    /// How one Python worker runs tasks; one at a time.
    pub concurrency: Concurrency,
    /// How many it runs at once; `None` leaves it to the worker program.
    pub slots: Option<u16>,
    /// Tasks after which a worker is replaced; `None` is no limit.
    pub max_tasks: Option<u64>,
    /// Resident memory, in bytes, above which a worker is replaced once it is idle; `None` is no limit.
    pub max_rss: Option<u64>,
    /// Workers in a row that could not be started, with none left, after which the service ends; `None` is never.
    pub max_start_failures: Option<u32>,
    /// What a worker process may do.
    pub isolation: Isolation,
}

/// What a message may start, whichever pool runs it.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Which tasks a message from a broker may name; registered ones.
    pub task_policy: TaskPolicy,
    /// For [`TaskPolicy::Prefix`]: what the name must begin with.
    pub task_prefixes: Vec<String>,
    /// Whether text that begins with `lambda` is run at all; no.
    pub allow_eval: bool,
}

/// `worker.concurrency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// One task at a time.
    Process,
    /// Coroutines on one event loop, plain functions in threads.
    Async,
    /// A thread for each task.
    Threads,
}

impl Concurrency {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Process, Self::Async, Self::Threads].into_iter().find(|way| way.as_str() == word)
    }

    /// The word that the file and the workers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Async => "async",
            Self::Threads => "threads",
        }
    }

    /// How many tasks a worker runs at once when the file does not say.
    pub(super) fn default_slots(self) -> u16 {
        if self == Self::Process { 1 } else { 10 }
    }
}

/// `worker.task_policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskPolicy {
    /// Only functions that are registered with `@task`.
    Registered,
    /// Names that begin with one of `task_prefixes`.
    Prefix,
    /// Any importable name.
    Any,
}

impl TaskPolicy {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [TaskPolicy::Registered, TaskPolicy::Prefix, TaskPolicy::Any]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }

    /// The word that the file and the workers use.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskPolicy::Registered => "registered",
            TaskPolicy::Prefix => "prefix",
            TaskPolicy::Any => "any",
        }
    }
}

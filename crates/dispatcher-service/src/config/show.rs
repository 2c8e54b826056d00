//! `Debug` for the types that may hold secrets: their shape, never the values a user wrote.
//!
//! Arguments of tasks, keyword arguments of worker classes and the raw file can all hold a password.

use std::fmt;

use super::{Config, OnStart, Schedule, Worker};

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("node_id", &self.node_id)
            .field("policy", &self.policy)
            .field("pools", &self.pools)
            .field("brokers", &self.brokers)
            .field("schedules", &self.schedules)
            .field("on_start", &self.on_start)
            .field("publish", &self.publish)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("task", &self.task)
            .field("when", &self.when)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OnStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnStart").field("task", &self.task).finish_non_exhaustive()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("python", &self.python)
            .field("start_method", &self.start_method)
            .field("preload_modules", &self.preload_modules)
            .field("worker_cls", &self.worker_cls)
            .field("command", &self.command.as_ref().and_then(|command| command.first()))
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

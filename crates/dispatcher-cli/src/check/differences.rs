//! What a file means here and meant otherwise for dispatcherd, for whoever moves from there.
//!
//! Names only what this file touches; docs/moving-from-dispatcherd.md has the whole list. Where it stands: the end of
//! what `check` prints.

use std::time::Duration;

use dispatcher_service::config::{BrokerKind, Config, TaskPolicy};

/// A sentence for each difference, with what to write for dispatcherd's behaviour where there is that.
pub(super) fn of(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |applies: bool, what: &str| {
        if applies {
            found.push(what.to_owned());
        }
    };
    let listens = config.brokers.iter().any(|broker| broker.kind != BrokerKind::Noop);
    let service = &config.raw["service"];
    say(
        listens && config.policy.task_policy == TaskPolicy::Registered,
        "a message may start only tasks with @task; dispatcherd starts anything importable (worker.task_policy: any)",
    );
    say(
        listens && config.policy.task_policy == TaskPolicy::Any && !config.policy.allow_eval,
        "text that begins with lambda is refused; dispatcherd runs it (worker.allow_eval: true)",
    );
    say(
        config.shutdown_grace > Duration::ZERO,
        "running tasks may finish after SIGTERM; dispatcherd cancels them at once (service.shutdown_grace: 0)",
    );
    say(
        true,
        "a task that ignores its cancel or timeout loses its worker to SIGTERM and SIGKILL; dispatcherd lets it run on",
    );
    say(
        config.pools.iter().any(|pool| pool.worker.isolation.no_new_privs),
        "sudo and other set-user-id programs gain nothing in a task; with dispatcherd they do (worker.no_new_privs: false)",
    );
    say(
        service["process_manager_cls"] == "ProcessManager",
        "ProcessManager forks from a template process as ForkServerManager does, not from the service",
    );
    say(
        !service["pool_kwargs"]["results_read_timeout"].is_null(),
        "service.pool_kwargs.results_read_timeout has no effect: each worker has a channel of its own",
    );
    let pg_notify = &config.raw["brokers"]["pg_notify"];
    say(
        !pg_notify["async_connection_factory"].is_null(),
        "the service connects by brokers.pg_notify.config and does not call async_connection_factory",
    );
    say(
        pg_notify.is_object() && pg_notify.get("max_connection_idle_seconds").is_none(),
        "a silent line is tested after 10 s; dispatcherd does so after 30 (max_connection_idle_seconds: 30)",
    );
    found
}

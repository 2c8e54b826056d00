//! `dispatcher check`: every complaint about a config, then what a service would do with it.
//!
//! Connects nowhere. Shows names and numbers of the config, never connection settings or arguments of tasks.

mod differences;
mod isolation;

use std::fmt::Write;
use std::time::Duration;

use dispatcher_service::config::{
    BrokerConfig, BrokerKind, Config, Policy, Pool, Schedule, StartMethod, TaskPolicy, When, Worker,
};

use crate::args::Check;
use crate::error::CliError;
use crate::exit::Exit;
use crate::{output, settings};

/// Prints the summary if the file is good; the complaints go to standard error either way.
pub(crate) fn check(arguments: &Check) -> Result<Exit, CliError> {
    let config = settings::load(arguments.file.as_deref())?;
    let name = settings::file(arguments.file.as_deref()).display().to_string();
    output::complain(&name, &config.warnings);
    for why in dispatcher_service::refusals_here(&config) {
        output::note(&format!("{name}: started as this user, on this machine, the service would end: {why}"));
    }
    Ok(output::print(&output::escape(&summary(&name, &config))))
}

fn summary(name: &str, config: &Config) -> String {
    let mut out = format!("{name} is good\n");
    let mut line = |what: &str, text: String| {
        let _ = writeln!(out, "  {what:<10}{text}");
    };
    line(
        "service",
        config.raw["service"]["main_kwargs"]["node_id"].as_str().unwrap_or("a random node_id").to_owned(),
    );
    for pool in &config.pools {
        let name = if config.pools.len() > 1 { format!("{}: ", pool.name) } else { String::new() };
        line("workers", name.clone() + &workers(pool));
        if let Some(text) = isolation::line(&pool.worker.isolation) {
            line("isolation", name + &text);
        }
    }
    line("tasks", tasks(&config.policy));
    for broker in &config.brokers {
        line("broker", self::broker(broker));
    }
    if config.brokers.is_empty() {
        line("broker", "none; only tasks of this file run".to_owned());
    }
    for schedule in &config.schedules {
        line("schedule", format!("{} {}", schedule.task, when(schedule)));
    }
    for task in &config.on_start {
        line("on start", task.task.clone());
    }
    let may = if config.control_producer { "may" } else { "may not" };
    line("control", format!("commands {may} start tasks"));
    line("stop", format!("tasks have {} to finish, then are cancelled", seconds(config.shutdown_grace)));
    if let Some(metrics) = &config.metrics {
        line("metrics", format!("http://{}:{}/metrics", metrics.host, metrics.port));
    }
    out.push_str("for dispatcherd the same file means something else in this:\n");
    for difference in differences::of(config) {
        let _ = writeln!(out, "  - {difference}");
    }
    out
}

fn workers(pool: &Pool) -> String {
    let size = &pool.size;
    let mut text = format!("{} to {}, {}", size.min_workers, size.max_workers, program(&pool.worker));
    for (what, patterns) in [("tasks", &pool.tasks), ("of the channels", &pool.queues)] {
        if !patterns.is_empty() {
            let _ = write!(text, "; {what} {}", patterns.join(", "));
        }
    }
    text
}

fn program(worker: &Worker) -> String {
    if let Some(command) = &worker.command {
        return format!("each runs {}", command[0]);
    }
    let python =
        worker.python.as_ref().map_or_else(|| "Python".to_owned(), |path| path.display().to_string());
    match worker.start_method {
        StartMethod::Spawn => format!("each a new {python}"),
        StartMethod::ForkServer if worker.preload_modules.is_empty() => format!("forked from one {python}"),
        StartMethod::ForkServer => {
            format!("forked from one {python} with {} loaded", worker.preload_modules.join(", "))
        }
    }
}

fn tasks(policy: &Policy) -> String {
    let which = match policy.task_policy {
        TaskPolicy::Registered => "a message may name registered tasks".to_owned(),
        TaskPolicy::Prefix => {
            format!("a message may name tasks that begin with {}", policy.task_prefixes.join(", "))
        }
        TaskPolicy::Any => "a message may name anything importable".to_owned(),
    };
    if policy.allow_eval { which + ", and lambda text is run" } else { which }
}

fn broker(broker: &BrokerConfig) -> String {
    let mut parts = vec![match broker.kind {
        BrokerKind::PgNotify if broker.channels.is_empty() => "listens to nothing".to_owned(),
        BrokerKind::PgNotify => format!("listens to {}", broker.channels.join(", ")),
        BrokerKind::Socket => format!(
            "listens at {}",
            broker.socket_path.as_ref().map_or_else(String::new, |path| path.display().to_string())
        ),
        BrokerKind::Noop => "hears nothing".to_owned(),
    }];
    parts.extend(broker.default_publish_channel.as_ref().map(|channel| format!("sends to {channel}")));
    parts.extend(
        broker
            .max_connection_idle
            .map(|idle| format!("tested after {} of silence", seconds(idle)))
            .filter(|_| broker.kind == BrokerKind::PgNotify),
    );
    format!("{}: {}", broker.name, parts.join(", "))
}

fn when(schedule: &Schedule) -> String {
    let when = match &schedule.when {
        When::Every(every) => format!("every {}", seconds(*every)),
        When::At(cron) => format!("at {cron}"),
    };
    if schedule.jitter.is_zero() { when } else { format!("{when}, up to {} late", seconds(schedule.jitter)) }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

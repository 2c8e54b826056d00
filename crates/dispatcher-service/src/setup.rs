//! From the configuration to what each part is built from. Runs once, before anything is started.

pub(crate) mod isolation;
pub(crate) mod workers;

use std::sync::Arc;

use dispatcher_broker::Broker;
use dispatcher_engine as engine;
use dispatcher_protocol::{Decoded, TaskMessage, decode};

use crate::RunError;
use crate::config::{BrokerKind, Config, Cron, Pool, Schedule, TaskPolicy, When};
use crate::embedding::InsidePool;
use crate::run::RunOptions;
use crate::timetable::{AtTimes, Jittered};
use crate::worker::inside::AHEAD;

/// The engine's settings.
pub(crate) fn engine(
    config: &Config,
    options: &RunOptions,
    inside: Option<&InsidePool>,
) -> Result<engine::Config, RunError> {
    let mut schedules = Vec::new();
    for schedule in &config.schedules {
        let message = message(&schedule.task, schedule.payload())?;
        schedules.push(engine::Schedule { message, timetable: timetable(schedule) });
    }
    let on_start = config.on_start.iter().map(|entry| message(&entry.task, entry.payload()));
    Ok(engine::Config {
        // The last, so that what nobody claims goes to a pool of the file if there is one.
        pools: config.pools.iter().map(pool).chain(inside.map(pool_inside)).collect(),
        routes: routes(&config.pools),
        policy: match config.policy.task_policy {
            TaskPolicy::Registered => engine::TaskPolicy::Registered,
            TaskPolicy::Prefix => engine::TaskPolicy::Prefix(config.policy.task_prefixes.clone()),
            TaskPolicy::Any => engine::TaskPolicy::Any,
        },
        allow_eval: config.policy.allow_eval,
        cancel_grace: config.cancel_grace,
        terminate_grace: config.terminate_grace,
        shutdown_grace: config.shutdown_grace,
        quota: engine::Quota {
            tasks: config.queue_limit,
            bytes: config.queue_bytes,
            ..engine::Quota::default()
        },
        chunk_patience: config.chunk_message_timeout,
        schedules,
        on_start: on_start.collect::<Result<_, _>>()?,
        verbose: options.verbose,
        ..engine::Config::default()
    })
}

fn pool(pool: &Pool) -> engine::PoolConfig {
    engine::PoolConfig {
        name: pool.name.clone(),
        min_workers: pool.size.min_workers as usize,
        max_workers: pool.size.max_workers as usize,
        scaledown_wait: pool.size.scaledown_wait,
        scaledown_interval: pool.size.scaledown_interval,
        scaledown_reserve: pool.size.scaledown_reserve as usize,
        max_lifetime: pool.size.worker_max_lifetime,
        max_tasks: pool.worker.max_tasks,
        max_resident: pool.worker.max_rss,
        max_start_failures: pool.worker.max_start_failures,
        record_kept: pool.size.worker_removal_wait,
        stop_grace: pool.size.worker_stop_wait,
        ..engine::PoolConfig::default()
    }
}

/// Workers of one task each cost nothing while they are idle, so there are always as many as may run at once; each that is
/// given up costs one task.
fn pool_inside(inside: &InsidePool) -> engine::PoolConfig {
    let workers = usize::from(inside.slots);
    engine::PoolConfig {
        name: "inside".to_owned(),
        min_workers: workers,
        max_workers: workers,
        max_ahead: AHEAD,
        ..engine::PoolConfig::default()
    }
}

/// Names before channels; of each, whole ones first, then the longest beginning: what says most about a task counts.
fn routes(pools: &[Pool]) -> Vec<engine::Route> {
    let of = |by, patterns: fn(&Pool) -> &[String]| {
        let all = pools.iter().enumerate().flat_map(move |(pool, entry)| {
            patterns(entry).iter().map(move |pattern| engine::Route { by, pattern: pattern.clone(), pool })
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|route| (route.pattern.ends_with('*'), std::cmp::Reverse(route.pattern.len())));
        all
    };
    let by_name = of(engine::RouteBy::Task, |pool| &pool.tasks);
    [by_name, of(engine::RouteBy::Queue, |pool| &pool.queues)].concat()
}

fn timetable(schedule: &Schedule) -> Box<dyn engine::Timetable> {
    let plain: Box<dyn engine::Timetable> = match &schedule.when {
        When::Every(every) => Box::new(engine::Every::new(*every)),
        When::At(cron) => Box::new(AtTimes::new(Cron::clone(cron))),
    };
    if schedule.jitter.is_zero() { plain } else { Box::new(Jittered::new(plain, schedule.jitter)) }
}

/// A task that the configuration names.
fn message(task: &str, payload: String) -> Result<TaskMessage, RunError> {
    match decode(payload) {
        Ok(Decoded::Task(message)) => Ok(message),
        Ok(_) => Err(RunError::Config(format!("the producers' entry {task:?} is no task"))),
        Err(error) => Err(RunError::Config(format!("the producers' entry {task:?}: {error}"))),
    }
}

/// The brokers, in the order of the configuration. Opens nothing.
pub(crate) fn brokers(config: &Config) -> Result<Vec<Arc<dyn Broker>>, RunError> {
    let real = config.brokers.iter().filter(|entry| entry.kind != BrokerKind::Noop);
    let built = real.map(|entry| {
        dispatcher_broker::build(&entry.name, entry.options())
            .map_err(|error| RunError::Config(format!("brokers.{}: {error}", entry.name)))
    });
    built.collect()
}

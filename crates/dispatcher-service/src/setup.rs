//! From the configuration to what each part is built from. Runs once, before anything is started.

pub(crate) mod isolation;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use dispatcher_broker::Broker;
use dispatcher_engine as engine;
use dispatcher_protocol::{Decoded, TaskMessage, decode};
use serde_json::json;
use tokio::sync::mpsc;

use crate::RunError;
use crate::config::{BrokerKind, Config, Cron, Schedule, StartMethod, TaskPolicy, When};
use crate::run::RunOptions;
use crate::timetable::{AtTimes, Jittered};
use crate::worker::confinement::Confinement;
use crate::worker::launch::{Launcher, Means, Program};
use crate::worker::template::{self, TemplateCommand};

/// Variables by which a Python program that hands its service over says where its code is.
const PYTHON: &str = "DISPATCHER_PYTHON";
const SYS_PATH: &str = "DISPATCHER_SYS_PATH";

/// The engine's settings.
pub(crate) fn engine(config: &Config, options: &RunOptions) -> Result<engine::Config, RunError> {
    let mut schedules = Vec::new();
    for schedule in &config.schedules {
        let message = message(&schedule.task, schedule.payload())?;
        schedules.push(engine::Schedule { message, timetable: timetable(schedule) });
    }
    let on_start = config.on_start.iter().map(|entry| message(&entry.task, entry.payload()));
    Ok(engine::Config {
        pools: vec![engine::PoolConfig {
            min_workers: config.pool.min_workers as usize,
            max_workers: config.pool.max_workers as usize,
            scaledown_wait: config.pool.scaledown_wait,
            scaledown_interval: config.pool.scaledown_interval,
            scaledown_reserve: config.pool.scaledown_reserve as usize,
            max_lifetime: config.pool.worker_max_lifetime,
            max_tasks: config.worker.max_tasks,
            max_resident: config.worker.max_rss,
            max_start_failures: config.worker.max_start_failures,
            record_kept: config.pool.worker_removal_wait,
            ..engine::PoolConfig::default()
        }],
        policy: match config.worker.task_policy {
            TaskPolicy::Registered => engine::TaskPolicy::Registered,
            TaskPolicy::Prefix => engine::TaskPolicy::Prefix(config.worker.task_prefixes.clone()),
            TaskPolicy::Any => engine::TaskPolicy::Any,
        },
        allow_eval: config.worker.allow_eval,
        cancel_grace: config.cancel_grace,
        terminate_grace: config.terminate_grace,
        stop_grace: config.pool.worker_stop_wait,
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

/// What makes workers; a fork server's task comes beside it.
pub(crate) fn launcher(
    config: &Config,
    options: &RunOptions,
) -> Result<(Launcher, Option<impl Future<Output = ()> + Send + 'static>), RunError> {
    let confinement = isolation::confinement(config)?;
    let owner = confinement.account.as_ref().map(|account| account.uid);
    let (means, template) = means(config, options, confinement);
    let groups = isolation::groups(config)?;
    Ok((Launcher::new(means, owner, groups, config.worker.max_rss.is_some())?, template))
}

fn means(
    config: &Config,
    options: &RunOptions,
    confinement: Confinement,
) -> (Means, Option<impl Future<Output = ()> + Send + 'static>) {
    if let Some((program, args)) = config.worker.command.as_ref().and_then(|command| command.split_first()) {
        let args = args.iter().map(OsString::from).collect();
        let setup = worker_setup(config, options, &confinement) + "\n";
        let program = Program { file: program.into(), args, setup, confinement };
        return (Means::Command(Box::new(program)), None);
    }
    let program = python(config).into_os_string();
    let setup = worker_setup(config, options, &confinement);
    if config.worker.start_method == StartMethod::Spawn {
        let args = ["-m", "dispatcher.worker"].map(OsString::from).to_vec();
        let program = Program { file: program, args, setup: setup + "\n", confinement };
        return (Means::Command(Box::new(program)), None);
    }
    let args = ["-m", "dispatcher.worker.template"].map(OsString::from).to_vec();
    let (requests, asked) = mpsc::unbounded_channel();
    let command = TemplateCommand { program, args, setup, confinement };
    (Means::Template(requests), Some(template::run(command, asked)))
}

/// The first thing that a fork server, or a worker started by a command, is told.
fn worker_setup(config: &Config, options: &RunOptions, confinement: &Confinement) -> String {
    // A program has its limits from the step that starts it; a fork server sets them in each worker it forks.
    let limits: serde_json::Map<_, _> =
        confinement.limits.iter().map(|(name, soft, hard)| (name.clone(), json!([soft, hard]))).collect();
    let worker = &config.worker;
    let sys_path = env::var(SYS_PATH).ok().map(|path| path.split(':').map(str::to_owned).collect::<Vec<_>>());
    json!({
        "event": "setup",
        "config": config.raw,
        "preload": worker.preload_modules,
        "sys_path": sys_path,
        "log_level": options.log_level,
        "log_format": options.log_format,
        "worker": {
            "worker_cls": worker.worker_cls,
            "worker_kwargs": worker.worker_kwargs,
            "task_policy": worker.task_policy.as_str(),
            "task_prefixes": worker.task_prefixes,
            "allow_eval": worker.allow_eval,
            "concurrency": worker.concurrency.as_str(),
            "slots": worker.slots,
            "limits": limits,
        },
    })
    .to_string()
}

/// The Python that has the application's code: the configured one, the one that started us, the one we are
/// installed beside, the active environment's, or whatever the machine calls `python3`.
fn python(config: &Config) -> PathBuf {
    let beside = |folder: PathBuf| {
        ["python3", "python"].iter().map(|name| folder.join(name)).find(|python| python.is_file())
    };
    let own = env::current_exe().ok().and_then(|exe| exe.parent().map(PathBuf::from));
    config
        .worker
        .python
        .clone()
        .or_else(|| env::var_os(PYTHON).map(PathBuf::from))
        .or_else(|| own.and_then(beside))
        .or_else(|| env::var_os("VIRTUAL_ENV").and_then(|venv| beside(PathBuf::from(venv).join("bin"))))
        .unwrap_or_else(|| "python3".into())
}

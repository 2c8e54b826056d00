//! Who makes the workers of each pool: what a fork server or a worker program is started with and told first.
//!
//! Starts nothing but the keeper of worker programs, which all pools share. Where it stands: before anything runs.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;

use super::isolation;
use crate::RunError;
use crate::config::{Config, Pool, StartMethod};
use crate::run::RunOptions;
use crate::worker::confinement::Confinement;
use crate::worker::launch::{Ground, Launcher, Means, Program, Shared};
use crate::worker::template::{self, TemplateCommand};

/// Variables by which a Python program that hands its service over says where its code is.
const PYTHON: &str = "DISPATCHER_PYTHON";
const SYS_PATH: &str = "DISPATCHER_SYS_PATH";

/// What makes the workers of a pool; a fork server's task comes beside it.
type Made<F> = (Arc<Launcher>, Option<F>);

/// A launcher for each pool, in their order.
pub(crate) fn launchers(
    config: &Config,
    options: &RunOptions,
    ground: &Ground,
) -> Result<Vec<Made<impl Future<Output = ()> + Send + 'static + use<>>>, RunError> {
    let confinements = isolation::confinements(config)?;
    let groups = isolation::groups(config)?;
    let programs = config.pools.iter().any(is_program);
    let shared = Arc::new(Shared::new(groups, programs, ground)?);
    let made = config.pools.iter().zip(confinements).map(|(pool, confinement)| {
        let confinement = Confinement { step: ground.step.clone(), ..confinement };
        let owner = confinement.account.as_ref().map(|account| account.uid);
        let (means, template) = means(pool, config, options, confinement);
        let launcher = Launcher::new(means, owner, &shared, isolation::use_of_groups(&pool.worker))?;
        Ok((Arc::new(launcher.watching_memory(pool.worker.max_rss.is_some())), template))
    });
    made.collect()
}

/// Whether each worker is started by itself.
fn is_program(pool: &Pool) -> bool {
    pool.worker.command.is_some() || pool.worker.start_method == StartMethod::Spawn
}

fn means(
    pool: &Pool,
    config: &Config,
    options: &RunOptions,
    confinement: Confinement,
) -> (Means, Option<impl Future<Output = ()> + Send + 'static + use<>>) {
    if let Some((program, args)) = pool.worker.command.as_ref().and_then(|command| command.split_first()) {
        let args = args.iter().map(OsString::from).collect();
        let setup = worker_setup(pool, config, options, &confinement) + "\n";
        let program = Program { file: program.into(), args, setup, confinement };
        return (Means::Command(Box::new(program)), None);
    }
    let program = python(pool).into_os_string();
    let setup = worker_setup(pool, config, options, &confinement);
    if pool.worker.start_method == StartMethod::Spawn {
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
fn worker_setup(pool: &Pool, config: &Config, options: &RunOptions, confinement: &Confinement) -> String {
    // A program has its limits from the step that starts it; a fork server sets them in each worker it forks.
    let limits: serde_json::Map<_, _> =
        confinement.limits.iter().map(|(name, soft, hard)| (name.clone(), json!([soft, hard]))).collect();
    let (worker, policy) = (&pool.worker, &config.policy);
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
            "task_policy": policy.task_policy.as_str(),
            "task_prefixes": policy.task_prefixes,
            "allow_eval": policy.allow_eval,
            "concurrency": worker.concurrency.as_str(),
            "slots": worker.slots,
            "limits": limits,
        },
    })
    .to_string()
}

/// The Python that has the application's code: the configured one, the one that started us, the one we are
/// installed beside, the active environment's, or whatever the machine calls `python3`.
fn python(pool: &Pool) -> PathBuf {
    let beside = |folder: PathBuf| {
        ["python3", "python"].iter().map(|name| folder.join(name)).find(|python| python.is_file())
    };
    let own = env::current_exe().ok().and_then(|exe| exe.parent().map(PathBuf::from));
    pool.worker
        .python
        .clone()
        .or_else(|| env::var_os(PYTHON).map(PathBuf::from))
        .or_else(|| own.and_then(beside))
        .or_else(|| env::var_os("VIRTUAL_ENV").and_then(|venv| beside(PathBuf::from(venv).join("bin"))))
        .unwrap_or_else(|| "python3".into())
}

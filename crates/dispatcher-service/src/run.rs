//! The only place that builds, spawns and joins.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use dispatcher_broker::{Broker, FromBroker};
use dispatcher_engine::Engine;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tracing::{error, info, warn};

use crate::config::{self, Config, TaskPolicy};
use crate::control::{LastStacks, Service, SetLogLevel};
use crate::driver::{BrokerLink, Driver, End, Questions, with_its_panic};
use crate::embedding::Embedding;
use crate::gate::Gate;
use crate::inbox::Inbox;
use crate::manager::Manager;
use crate::stall::{self, Beat};
use crate::tally::{LogTally, Tally};
use crate::web::Web;
use crate::worker::Maker;
use crate::worker::launch::Launcher;
use crate::{listen, reply, setup, signals};

/// How many deliveries may wait for the driver; when they do, nothing more is read from the brokers, so the
/// pressure reaches their sockets instead of our memory.
const DELIVERIES: usize = 1024;

/// How long what is left at the end (replies, the fork server) may take.
const END_WAIT: Duration = Duration::from_secs(10);

/// How long the log may take for the last line of a service that is stuck.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the command line adds to the configuration.
#[derive(Clone)]
pub struct RunOptions {
    /// End when a broker is away at the start, instead of waiting for it.
    pub fail_fast: bool,
    /// The Python name of the log level, for the workers.
    pub log_level: String,
    /// `text` or `json`, for the workers.
    pub log_format: String,
    /// Whether each ordinary start and end of a task is logged.
    pub verbose: bool,
    /// Changes the log level while the service runs.
    pub set_log_level: Option<SetLogLevel>,
    /// What is missing in the log, for metrics.
    pub log: Arc<LogTally>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            fail_fast: false,
            log_level: "INFO".to_owned(),
            log_format: "text".to_owned(),
            verbose: false,
            set_log_level: None,
            log: Arc::default(),
        }
    }
}

/// Why a service could not run, or did not end as it was asked to.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration passes every check of its own and still cannot work.
    #[error("{0}")]
    Config(String),
    /// The system refused something that every service needs.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    /// Something without which the service must not go on.
    #[error("{0}")]
    Fatal(String),
}

/// Runs a service until it is told to stop.
pub fn run(config: Config, options: RunOptions) -> Result<(), RunError> {
    // One thread: everything is hand-over between tasks, and a second thread would only add waking it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(config, options, Embedding::alone()))
}

/// Runs a service on the present runtime until it is told to stop.
pub(crate) async fn serve(
    mut config: Config,
    options: RunOptions,
    embedding: Embedding,
) -> Result<(), RunError> {
    let Embedding { inside, brokers, handles_signals, ground, inbox: (inbox, news) } = embedding;
    if inside.is_some() && config.raw.get("pools").is_none() {
        // Nobody has asked for processes.
        config.pools.clear();
    }
    announce_policy(&config);
    let brokers = [setup::brokers(&config)?, brokers].concat();
    let engine_config = setup::engine(&config, &options, inside.as_ref())?;
    let launchers = setup::workers::launchers(&config, &options, &ground)?;
    let (deliveries, arrivals) = mpsc::channel(DELIVERIES);

    // The driver's end is the service's end; these end with it.
    let mut helpers = JoinSet::new();
    // These have something to finish when the driver has ended.
    let mut finishers = JoinSet::new();
    if handles_signals {
        helpers.spawn(signals::watch(inbox.clone())?);
    }
    let launchers = staff(launchers, &mut helpers, &mut finishers).into_iter().map(Maker::Processes);
    let makers = launchers.chain(inside.map(|inside| Maker::Inside(inside.performer))).collect();
    let beat = Beat::default();
    let stall_limit = config.stall_limit.filter(|_| ground.alone);
    let watch = stall_limit.map(|limit| watch_driver(limit, &beat, &inbox)).transpose()?;
    let (open, opened) = watch::channel(false);
    let links = link(brokers, &options, (&inbox, deliveries, opened), (&mut helpers, &mut finishers));
    info!(target: "dispatcher.main", node_id = config.node_id, pid = std::process::id(), "starting");
    let web = config.metrics.clone().map(|metrics| Web::open(metrics, &inbox, &mut helpers));
    let now = Instant::now();
    let driver = Driver {
        engine: Engine::new(engine_config, now),
        service: service(&config, &options, now, web),
        brokers: links,
        workers: HashMap::new(),
        makers,
        inbox,
        questions: Questions::default(),
        waiting_for_ready: Vec::new(),
        tenders: JoinSet::new(),
        end: None,
        open,
        manager: ground.alone.then(Manager::of_environment).flatten(),
        beat: beat.clone(),
    };
    // A task like the others: what runs at the root of the runtime costs a look at every descriptor each time that
    // another task wakes it.
    let driver = tokio::spawn(driver.run(news, arrivals));
    // Whoever drops this future wants no service any more.
    let _abort = AbortOnDrop(driver.abort_handle());
    let end = until_the_end(driver, &mut helpers, &mut finishers).await;
    drop(watch);
    helpers.shutdown().await;
    if tokio::time::timeout(END_WAIT, finishers.join_all()).await.is_err() {
        warn!(target: "dispatcher.main", "something did not end in time and is left behind");
    }
    match end {
        End::Stopped => {
            info!(target: "dispatcher.main", "stopped");
            Ok(())
        }
        End::Fatal(why) => Err(RunError::Fatal(why)),
    }
}

/// Starts what the launchers need beside them.
fn staff(
    launchers: Vec<(Arc<Launcher>, Option<impl Future<Output = ()> + Send + 'static>)>,
    helpers: &mut JoinSet<()>,
    finishers: &mut JoinSet<()>,
) -> Vec<Arc<Launcher>> {
    if let Some(orphans) = launchers.first().and_then(|(launcher, _)| launcher.orphans()) {
        helpers.spawn(orphans.look_after());
    }
    let each = launchers.into_iter().map(|(launcher, template)| {
        if let Some(template) = template {
            finishers.spawn(template);
        }
        launcher
    });
    each.collect()
}

/// What the driver knows of the service.
fn service(config: &Config, options: &RunOptions, started: Instant, web: Option<Web>) -> Service {
    Service {
        node_id: config.node_id.clone(),
        started,
        shutdown_grace: config.shutdown_grace,
        set_log_level: options.set_log_level.clone(),
        control_producer: config.control_producer,
        control_produced: 0,
        on_start: config.on_start.len(),
        tally: Tally::default(),
        log: Arc::clone(&options.log),
        gate: Gate::new(config.control_rate),
        last_stacks: LastStacks::default(),
        web,
    }
}

/// Ends a task of the runtime with its owner.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for the driver; a panic anywhere is the end of everything.
async fn until_the_end(
    mut driver: JoinHandle<End>,
    helpers: &mut JoinSet<()>,
    finishers: &mut JoinSet<()>,
) -> End {
    loop {
        tokio::select! {
            end = &mut driver => match end {
                Ok(end) => return end,
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            },
            Some(ended) = helpers.join_next() => with_its_panic(ended),
            Some(ended) = finishers.join_next() => with_its_panic(ended),
        }
    }
}

/// Ends the process when the driver comes round no more.
fn watch_driver(limit: Duration, beat: &Beat, inbox: &mpsc::Sender<Inbox>) -> std::io::Result<stall::Watch> {
    let inbox = inbox.downgrade();
    let ask = move || {
        // A full inbox wakes the driver as well.
        if let Some(inbox) = inbox.upgrade() {
            let _ = inbox.try_send(Inbox::AreYouThere);
        }
    };
    stall::watch(limit, beat.clone(), ask, move || {
        error!(target: "dispatcher.main", seconds = limit.as_secs_f64(), "the service is stuck and ends: service.stall_limit is over");
        // The log is written by a thread of its own.
        std::thread::sleep(LAST_WORDS);
        std::process::exit(i32::from(stall::STALLED));
    })
}

/// Whoever may publish may run what the policy allows, with the rights of the workers: both are said where they are wide.
fn announce_policy(config: &Config) {
    let as_root = |pool: &config::Pool| pool.worker.isolation.user.is_none();
    if rustix::process::geteuid().is_root() && config.pools.iter().any(as_root) {
        warn!(target: "dispatcher.main", "running as root: so do the tasks; worker.user names another user for them");
    }
    let policy = &config.policy;
    match policy.task_policy {
        TaskPolicy::Registered => {}
        TaskPolicy::Prefix => {
            info!(target: "dispatcher.main", prefixes = ?policy.task_prefixes, "messages may name any task with these prefixes");
        }
        TaskPolicy::Any if policy.allow_eval => {
            warn!(target: "dispatcher.main", "worker.task_policy is any, with allow_eval: whoever can send a message can run any code");
        }
        TaskPolicy::Any => {
            warn!(target: "dispatcher.main", "worker.task_policy is any: a message may run everything that can be imported");
        }
    }
}

/// Starts the tasks of each broker.
fn link(
    brokers: Vec<Arc<dyn Broker>>,
    options: &RunOptions,
    (inbox, deliveries, opened): (
        &mpsc::Sender<Inbox>,
        mpsc::Sender<(u16, FromBroker)>,
        watch::Receiver<bool>,
    ),
    (helpers, finishers): (&mut JoinSet<()>, &mut JoinSet<()>),
) -> Vec<BrokerLink> {
    let mut links = Vec::new();
    for (index, broker) in brokers.into_iter().enumerate() {
        for warning in broker.warnings() {
            warn!(target: "dispatcher.broker", broker = broker.name(), "{warning}");
        }
        let listening = Arc::new(AtomicBool::new(false));
        let (replies, sending) = reply::replier(Arc::clone(&broker));
        finishers.spawn(sending);
        helpers.spawn(listen::run(listen::Listener {
            id: index as u16,
            broker: Arc::clone(&broker),
            deliveries: deliveries.clone(),
            inbox: inbox.clone(),
            fail_fast: options.fail_fast,
            opened: opened.clone(),
            listening: Arc::clone(&listening),
        }));
        links.push(BrokerLink {
            broker,
            replies,
            produced: 0,
            recycled: 0,
            since: Instant::now(),
            listening,
        });
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn end_with(helper: impl Future<Output = ()> + Send + 'static) -> End {
        let (mut helpers, mut finishers) = (JoinSet::new(), JoinSet::new());
        helpers.spawn(helper);
        finishers.spawn(async {});
        let driver = tokio::spawn(async {
            tokio::task::yield_now().await;
            End::Stopped
        });
        until_the_end(driver, &mut helpers, &mut finishers).await
    }

    #[tokio::test(flavor = "current_thread")]
    #[should_panic(expected = "a bug in a listener")]
    async fn a_panic_beside_the_driver_is_not_survived() {
        end_with(async { panic!("a bug in a listener") }).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_end_of_the_driver_is_the_end_whatever_others_do() {
        assert!(matches!(end_with(std::future::pending()).await, End::Stopped));
    }
}

//! What the engine obeys: numbers and names only, already checked by whoever made them.

use std::time::Duration;

use dispatcher_protocol::TaskMessage;

use crate::schedule::Timetable;

/// Settings of one engine.
#[derive(Debug)]
pub struct Config {
    /// The first takes what no route names and no other pool's workers know. None at all is one pool with the default settings.
    pub pools: Vec<PoolConfig>,
    /// Which tasks go to which pool; the first that fits counts.
    pub routes: Vec<Route>,
    /// Which names a message from a broker may run.
    pub policy: TaskPolicy,
    /// Whether text that begins with `lambda` may run; only with [`TaskPolicy::Any`].
    pub allow_eval: bool,
    /// After the cancel, before SIGTERM.
    pub cancel_grace: Duration,
    /// After SIGTERM, before SIGKILL.
    pub terminate_grace: Duration,
    /// How long running tasks may finish after a stop; zero cancels them at once.
    pub shutdown_grace: Duration,
    /// How long the pieces of a message wait for each other.
    pub chunk_patience: Duration,
    /// Tasks that come again and again.
    pub schedules: Vec<Schedule>,
    /// Tasks that run once at the start.
    pub on_start: Vec<TaskMessage>,
    /// How many tasks may be here, and how much memory they may take.
    pub quota: Quota,
    /// Whether a broker wants to know how many tasks could begin.
    pub announce_demand: bool,
    /// Whether an event is wanted for every ordinary step of a task; see [`crate::Engine::set_verbose`].
    pub verbose: bool,
}

impl Default for Config {
    /// One pool of one worker; the graces of the configuration's defaults; registered tasks only.
    fn default() -> Self {
        Self {
            pools: vec![PoolConfig::default()],
            routes: Vec::new(),
            policy: TaskPolicy::Registered,
            allow_eval: false,
            cancel_grace: Duration::from_secs(5),
            terminate_grace: Duration::from_secs(3),
            shutdown_grace: Duration::from_secs(30),
            chunk_patience: Duration::from_secs(30 * 60),
            schedules: Vec::new(),
            on_start: Vec::new(),
            quota: Quota::default(),
            announce_demand: false,
            verbose: false,
        }
    }
}

/// The most workers that a pool may be given: far beyond what one machine runs, but it keeps a slip of the finger from
/// starting a million processes.
pub const MOST_WORKERS: u32 = 10_000;

/// One pool of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Its name in logs and routes.
    pub name: String,
    /// Workers that are always there.
    pub min_workers: usize,
    /// Workers at most; at least one.
    pub max_workers: usize,
    /// Tasks that one worker may hold unstarted, beyond those it runs, if it says that it can.
    pub max_ahead: u16,
    /// For how long fewer workers must have been enough before one is let go.
    pub scaledown_wait: Duration,
    /// How often that is looked at while there are more workers than the minimum; more than zero.
    pub scaledown_interval: Duration,
    /// Idle workers that stay beside those that are needed.
    pub scaledown_reserve: usize,
    /// The age at which a worker is replaced, after the task that it is running; none is never.
    pub max_lifetime: Option<Duration>,
    /// Tasks after which a worker is replaced; none is no limit.
    pub max_tasks: Option<u64>,
    /// Resident bytes above which a worker is replaced, after the task that it is running; none is no limit.
    pub max_resident: Option<u64>,
    /// Failed starts one after the other, with no worker left, after which the engine gives up; none is never.
    pub max_start_failures: Option<u32>,
    /// How long an ended worker is shown.
    pub record_kept: Duration,
    /// How long an idle worker may take to leave when told to, before SIGTERM; at most 3 s once the service stops.
    pub stop_grace: Duration,
}

impl Default for PoolConfig {
    /// One worker that is never replaced; scale-down as the configuration's defaults.
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            min_workers: 1,
            max_workers: 1,
            max_ahead: 8,
            scaledown_wait: Duration::from_secs(15),
            scaledown_interval: Duration::from_secs(15),
            scaledown_reserve: 0,
            max_lifetime: None,
            max_tasks: None,
            max_resident: None,
            max_start_failures: None,
            record_kept: Duration::ZERO,
            stop_grace: Duration::from_secs(3),
        }
    }
}

/// How many tasks may be here. What would be more is dropped, counted and said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Tasks of all kinds, running ones included.
    pub tasks: usize,
    /// Bytes of their messages, each with the [`TASK_OVERHEAD`](crate::TASK_OVERHEAD) of a task.
    pub bytes: usize,
    /// Tasks that wait for their time.
    pub delayed: usize,
    /// Tasks that wait for their twin.
    pub blocked: usize,
}

impl Default for Quota {
    /// A million tasks or 256 MiB; of those 100,000 delayed and 10,000 blocked.
    fn default() -> Self {
        Self { tasks: 1_000_000, bytes: 256 << 20, delayed: 100_000, blocked: 10_000 }
    }
}

/// Sends some tasks to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is looked at.
    pub by: RouteBy,
    /// What that has to be; with a `*` at its end, what it has to begin with.
    pub pattern: String,
    /// The pool's place in [`Config::pools`]; a place that is not there is the first.
    pub pool: usize,
}

/// What a [`Route`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteBy {
    /// The task's name.
    Task,
    /// The channel that it came by.
    Queue,
}

/// Which names a message from a broker may run. The worker looks again, at the object it finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TaskPolicy {
    /// Functions registered as tasks; here, any well-formed name.
    #[default]
    Registered,
    /// Names that begin with one of these.
    Prefix(Vec<String>),
    /// Any text at all.
    Any,
}

/// A task that comes again and again.
#[derive(Debug)]
pub struct Schedule {
    /// What to run.
    pub message: TaskMessage,
    /// When.
    pub timetable: Box<dyn Timetable>,
}

//! Everything that can happen to the engine.

use dispatcher_protocol::{Done, Progress, TaskMessage};

use crate::task::{PoolId, Source, WorkerId};

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A broker delivered a message.
    Delivery {
        /// Where it came from.
        source: Source,
        /// Its text, untouched.
        payload: String,
    },
    /// The service itself starts a task, say for a control request.
    Submit {
        /// Named in replies as its channel.
        source: Source,
        /// What to run.
        message: TaskMessage,
        /// It stands in the configuration, so any name will do; if not, its name passes the gate first.
        trusted: bool,
    },
    /// The process of a worker exists.
    WorkerStarted {
        /// Which.
        worker: WorkerId,
    },
    /// A worker can be given tasks.
    WorkerReady {
        /// Which.
        worker: WorkerId,
        /// How many it runs at once.
        slots: u16,
        /// How many more it holds unstarted.
        ahead: u16,
        /// The names of the tasks it knows; of use where there are several pools.
        tasks: Vec<String>,
    },
    /// A worker with several slots has begun a task. Changes nothing: the engine knows the order of its tickets.
    TaskStarted {
        /// Which.
        worker: WorkerId,
        /// The task.
        uuid: String,
    },
    /// A running task says how far it has come. The last word is kept.
    TaskProgress {
        /// Which.
        worker: WorkerId,
        /// The task.
        uuid: String,
        /// What it says.
        progress: Box<Progress>,
    },
    /// A worker says that a task has ended.
    TaskDone {
        /// Which.
        worker: WorkerId,
        /// What it says.
        done: Done,
    },
    /// The answer to [`Effect::TakeBack`](crate::Effect::TakeBack): the tickets that the worker had not taken.
    TakenBack {
        /// Which.
        worker: WorkerId,
        /// The numbers of tasks it will never begin.
        seqs: Vec<u64>,
    },
    /// A worker takes no more tasks: it says so itself, or its process has ended and [`Input::WorkerExited`] follows.
    /// Left out, every task that it counts as running is lost with it.
    WorkerLeaving {
        /// Which.
        worker: WorkerId,
        /// The tickets it has not taken: tasks that it will never begin.
        unbegun: Vec<u64>,
    },
    /// A worker is gone. Said exactly once for each [`Effect::Spawn`](crate::Effect::Spawn).
    WorkerExited {
        /// Which.
        worker: WorkerId,
        /// How.
        exit: Exit,
    },
    /// The wakeup has come.
    Tick,
    /// The memory that a worker holds, as far as somebody has looked.
    WorkerMemory {
        /// Which.
        worker: WorkerId,
        /// Resident bytes.
        resident: u64,
    },
    /// Take no more tasks; those that are here begin and end as ever.
    Quiet,
    /// Begin no more tasks; new ones are taken, and wait.
    Pause,
    /// Take and begin tasks again, after [`Input::Quiet`] or [`Input::Pause`].
    Resume,
    /// Other numbers of workers for a pool; one that is none stays as it is.
    Scale {
        /// Which.
        pool: PoolId,
        /// Workers that are always there.
        min: Option<usize>,
        /// Workers at most; never below the minimum nor below one.
        max: Option<usize>,
    },
    /// Replace this worker after its task, or all that there are now, one after the other in each pool.
    Recycle {
        /// Which; none is all.
        worker: Option<WorkerId>,
        /// Only those of this pool; none is every pool.
        pool: Option<PoolId>,
    },
    /// Abandon what waits, give running tasks the shutdown grace, then end everything.
    Stop,
    /// As [`Input::Stop`], and the grace is over.
    Hurry,
}

/// How a worker came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
    /// Killed by the kernel because there was no memory left for it.
    OutOfMemory {
        /// Its own control group counted the kill; else it is taken from a kill somewhere on the machine at that time.
        certain: bool,
    },
    /// It never came to be.
    StartFailed(String),
    /// As above, because the machine had none left of something: descriptors, processes, memory.
    Shortage(String),
    /// It was ended because it broke the worker protocol.
    Protocol(String),
    /// It lives in the process of the service, and its task did not give way: it is left behind, on its thread.
    GivenUp,
    /// Nobody could tell: the fork server that would have known had died.
    Unknown,
}

impl Exit {
    /// Every label.
    pub const LABELS: [&str; 7] =
        ["exited", "signal", "out_of_memory", "start_failed", "protocol", "given_up", "unknown"];

    /// A short name for counters that never changes.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Code(_) => "exited",
            Self::Signal(_) => "signal",
            Self::StartFailed(_) | Self::Shortage(_) => "start_failed",
            Self::Protocol(_) => "protocol",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::GivenUp => "given_up",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(number) => match signal_name(*number) {
                Some(name) => write!(f, "killed by {name}"),
                None => write!(f, "killed by signal {number}"),
            },
            Self::OutOfMemory { certain: true } => {
                f.write_str("killed for want of memory: it reached worker.memory_max; raise that, or let the task use less")
            }
            Self::OutOfMemory { certain: false } => f.write_str(
                "killed by SIGKILL, probably for want of memory: the kernel killed something for that just then; \
                 worker.memory_max and worker.max_rss bound a worker",
            ),
            Self::StartFailed(why) | Self::Shortage(why) => write!(f, "could not be started: {why}"),
            Self::Protocol(why) => write!(f, "ended because {why}"),
            Self::GivenUp => f.write_str("was given up, and a thread of the service still runs the task"),
            Self::Unknown => f.write_str("ended, and its fork server was not there to say how"),
        }
    }
}

/// The names that operators know, as Linux numbers them.
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL (by hand, by the service, or for want of memory)",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        _ => return None,
    })
}

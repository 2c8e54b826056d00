//! A worker as the driver holds it: a handle that takes orders and never makes it wait.

pub(crate) mod cgroup;
pub(crate) mod confinement;
pub(crate) mod launch;
pub(crate) mod step;
pub(crate) mod template;
mod again;
mod channel;
mod descendants;
pub(crate) mod inside;
mod keeper;
mod memory;
mod orphans;
mod packet;
mod process;
mod refusal;
mod shortage;
mod stack;
mod stopped;
mod tend;
mod tickets;
mod watched;

use std::sync::Arc;

use dispatcher_engine::WorkerId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::inbox::Inbox;
use inside::{Inside, Performer};
use launch::Launcher;

/// What the driver asks of one worker's tender. Frames come ready to be written.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Hand out a task; `seq` is its ticket.
    Run { seq: u64, frame: Vec<u8> },
    /// Take back what has been handed out and not begun.
    TakeBack,
    /// Cancel one task: a frame names it, SIGUSR1 makes the worker look; both again until its end is heard.
    Cancel { uuid: Box<str> },
    /// Leave when idle.
    Stop(Vec<u8>),
    /// The answer to a control request of the worker's task.
    Reply(Vec<u8>),
    /// Say what the worker is doing; the answer is news.
    Look,
    /// SIGTERM; after a look, if it runs a task.
    Terminate { look: bool },
    /// SIGKILL, to everything below it too; after a look, if it runs a task.
    Kill { look: bool },
}

/// How the workers of a pool come to be.
#[derive(Clone)]
pub(crate) enum Maker {
    /// Each is a process.
    Processes(Arc<Launcher>),
    /// Each lives in this process.
    Inside(Arc<dyn Performer>),
}

/// The driver's end of one worker.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    line: Line,
    /// Known once the process exists.
    pub(crate) pid: Option<i32>,
    /// Its process is gone, or never came to be; it is still shown.
    pub(crate) ended: bool,
}

/// The way to a worker.
#[derive(Debug)]
enum Line {
    /// Unbounded by type, bounded by use: a worker is owed at most the tasks handed to it, one cancel each, a
    /// stop, two signals, a look for each question that is open, and replies to requests that its running tasks are
    /// waiting for.
    Process(mpsc::UnboundedSender<Outgoing>),
    /// It lives in this process.
    Inside(Inside),
}

impl WorkerHandle {
    /// Starts the tender of a new worker.
    pub(crate) fn start(
        worker: WorkerId,
        launcher: &Arc<Launcher>,
        inbox: &mpsc::Sender<Inbox>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        tasks.spawn(tend::tend(worker, Arc::clone(launcher), taken, inbox.clone()));
        Self { line: Line::Process(orders), pid: None, ended: false }
    }

    /// Starts a worker that lives in this process.
    pub(crate) fn inside(
        worker: WorkerId,
        performer: &Arc<dyn Performer>,
        inbox: &mpsc::Sender<Inbox>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let line = Line::Inside(Inside::start(worker, performer, inbox, tasks));
        Self { line, pid: i32::try_from(std::process::id()).ok(), ended: false }
    }

    /// The lane of a worker that lives in this process.
    pub(crate) fn lane(&self) -> Option<&Inside> {
        if let Line::Inside(inside) = &self.line { Some(inside) } else { None }
    }

    /// Asks what the worker is doing. Always answered: by a stack, by the reason why there is none, or by the end of the
    /// worker.
    pub(crate) fn look(&self) {
        match &self.line {
            Line::Process(orders) => _ = orders.send(Outgoing::Look),
            Line::Inside(inside) => inside.look(),
        }
    }

    /// Passes an order on; false when its tender takes none any more: the worker's exit is being reported.
    pub(crate) fn order(&self, order: Outgoing) -> bool {
        match &self.line {
            Line::Process(orders) => orders.send(order).is_ok(),
            // Its orders are calls.
            Line::Inside(_) => true,
        }
    }
}

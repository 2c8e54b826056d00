//! Workers that live inside this process: a lane each, which runs one task at a time on the runtime of the application.
//!
//! There is no channel, no frame and no signal: the driver puts tasks into a lane's queue and takes them back itself, and
//! the lane sends the ends of its tasks in batches. What no process boundary stands around cannot be ended by force: a run
//! that does not give way is given up, its lane reports that it is gone, and a new one takes its place. Decides nothing
//! about a task (that is the engine's); what a task does is behind [`Performer`].

mod lane;
mod performer;
mod queue;

use std::sync::Arc;

use dispatcher_engine::{Exit, Rung, Task, WorkerId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::inbox::Inbox;
use queue::Queue;

pub use performer::{InsideHost, InsideTask, Performer, Run, RunEnd, RunFuture, Start};

/// How many tasks a lane may hold unstarted: enough that the driver need not come round for each short task.
pub(crate) const AHEAD: u16 = 64;

/// Why nothing can be seen of what runs here.
const NO_STACK: &str = "it runs inside the service, where a task has no stack of its own";

/// The driver's end of a lane.
#[derive(Debug)]
pub(crate) struct Inside {
    worker: WorkerId,
    queue: Arc<Queue>,
    inbox: mpsc::Sender<Inbox>,
}

impl Inside {
    /// Starts the lane of a new worker; it can be given tasks at once.
    pub(crate) fn start(
        worker: WorkerId,
        performer: &Arc<dyn Performer>,
        inbox: &mpsc::Sender<Inbox>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        tasks.spawn(lane::live(worker, Arc::clone(performer), Arc::clone(&queue), inbox.clone()));
        Self { worker, queue, inbox: inbox.clone() }
    }

    /// Hands out a task.
    pub(crate) fn run(&self, seq: u64, task: Arc<Task>) {
        self.queue.put(seq, task);
    }

    /// Takes back what has not begun; the tickets of that.
    pub(crate) fn take_back(&self) -> Vec<u64> {
        self.queue.take_back()
    }

    /// Asks a task to give way, begun or not.
    pub(crate) fn cancel(&self, uuid: &str) {
        self.queue.cancel(uuid);
    }

    /// Leave when idle.
    pub(crate) fn leave(&self) {
        self.queue.leave();
    }

    /// Gives up what it runs. What awaits is dropped where it awaits, by the lane itself, and its end is news like any other. What
    /// blocks gets its time until it would be killed; it is then left behind on its thread, and this is how the worker has
    /// ended.
    pub(crate) fn give_up(&self, rung: Rung) -> Option<Exit> {
        self.queue.give_up(rung == Rung::Kill).then_some(Exit::GivenUp)
    }

    /// Asked what it is doing. It has nothing to show.
    pub(crate) fn look(&self) {
        // A full inbox costs whoever asks the time that an answer may take.
        let stack = Err(NO_STACK.to_owned());
        let _ = self.inbox.try_send(Inbox::Stack { worker: self.worker, stack, before: None });
    }
}

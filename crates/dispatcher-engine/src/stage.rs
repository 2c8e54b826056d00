//! Step 2: places where a task may have to wait before it is ready. [`path`] is their order.

mod admission;
mod delay;

use std::sync::Arc;
use std::time::Instant;

use crate::event::DropReason;
use crate::task::Task;

/// What a stage says about a task that comes in.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// On to the next.
    Pass(Arc<Task>),
    /// The stage keeps it.
    Hold,
    /// It must not run.
    Drop(Arc<Task>, DropReason),
}

/// A place to wait. A task passes each stage once; a stage knows no other stage.
pub(crate) trait Stage: std::fmt::Debug + Send {
    /// What `running` and `cancel` call a task that waits here.
    fn label(&self) -> &'static str;
    /// A task comes in.
    fn enter(&mut self, task: Arc<Task>, now: Instant) -> Verdict;
    /// The next task whose wait is over, if any; it goes to the stage after this one.
    fn release(&mut self, now: Instant) -> Option<Arc<Task>>;
    /// When [`Stage::release`] will have something without any other cause.
    fn next_wakeup(&self) -> Option<Instant> {
        None
    }
    /// A task that this stage let pass has left the engine.
    fn settle(&mut self, _task: &Arc<Task>) {}
    /// Those that wait, in order.
    fn waiting(&self) -> Vec<&Arc<Task>>;
    /// Takes out every waiting task that fits.
    fn remove(&mut self, fits: &dyn Fn(&Task) -> bool) -> Vec<Arc<Task>>;
    /// How many wait.
    fn len(&self) -> usize;
}

/// The stages in the order in which a task meets them, and how many may wait in each.
pub(crate) fn path(most_delayed: usize, most_blocked: usize) -> Vec<Box<dyn Stage>> {
    vec![Box::new(delay::Delay::new(most_delayed)), Box::new(admission::Admission::new(most_blocked))]
}

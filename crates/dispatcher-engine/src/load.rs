//! How much is here, and whether more may come: the bound on a queue that is filled faster than it is worked off.
//!
//! Counts every task from its acceptance until it has left. Where it stands: asked once for each message, between intake
//! and the first stage. Drops nothing itself.

use std::sync::Arc;

use crate::config::Quota;
use crate::task::Task;

/// What a task takes beside its message, in bytes: its place in the queue, in the table of work that is here, and in its
/// own record. Measured with 400,000 queued tasks (280 bytes, the `deep` row of the benchmark), rounded up.
pub const TASK_OVERHEAD: usize = 300;

/// From this part of the quota on, what is left of it is for channels that have less than their share: so one channel
/// cannot fill all. In tenths.
const SHARED_FROM: usize = 9;

/// What is here.
#[derive(Debug)]
pub(crate) struct Load {
    quota: Quota,
    tasks: usize,
    bytes: usize,
    /// Tasks by the channel that they came by. Channels are those of the configuration, so there are few.
    channels: Vec<(Arc<str>, usize)>,
}

impl Load {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, tasks: 0, bytes: 0, channels: Vec::new() }
    }

    /// A task has come.
    pub(crate) fn add(&mut self, task: &Task) {
        self.tasks += 1;
        self.bytes += weight(task);
        match self.place(&task.source.channel) {
            Some(place) => self.channels[place].1 += 1,
            None => self.channels.push((Arc::clone(&task.source.channel), 1)),
        }
    }

    /// A task that was added has left.
    pub(crate) fn remove(&mut self, task: &Task) {
        self.tasks -= 1;
        self.bytes -= weight(task);
        if let Some(place) = self.place(&task.source.channel) {
            self.channels[place].1 -= 1;
        }
    }

    /// The bound that the task, which is counted already, exceeds.
    pub(crate) fn exceeded_by(&self, task: &Task) -> Option<&'static str> {
        let Quota { tasks, bytes, .. } = self.quota;
        if self.tasks > tasks {
            return Some("queue_full");
        }
        if self.bytes > bytes {
            return Some("queue_bytes_full");
        }
        let crowded = self.tasks > tasks / 10 * SHARED_FROM || self.bytes > bytes / 10 * SHARED_FROM;
        if !crowded || self.channels.len() < 2 {
            return None;
        }
        let share = tasks / self.channels.len();
        let own = self.place(&task.source.channel).map_or(0, |place| self.channels[place].1);
        (own > share).then_some("channel_full")
    }

    /// Tasks and bytes that are here.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.tasks, self.bytes)
    }

    fn place(&self, channel: &Arc<str>) -> Option<usize> {
        self.channels.iter().position(|(known, _)| Arc::ptr_eq(known, channel) || known == channel)
    }
}

fn weight(task: &Task) -> usize {
    task.message.body().len() + task.uuid.len() + TASK_OVERHEAD
}

//! Step 3: which pool a ready task goes to. What the configuration says counts first, then what workers say they know; the
//! first pool takes the rest.
//!
//! Until a worker of each pool has said what it knows, tasks that no rule names wait here: sent to a worker that does not
//! know them they would be refused. Knows no workers, only what they said.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;

use crate::config::{Route, RouteBy};
use crate::queue::Queue;
use crate::task::{PoolId, Task};

/// How long tasks wait for pools that say nothing: a worker that comes up at all has come up by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names kept of all pools together. A worker that announces more is a mistake, and none that memory should pay for.
const MOST_NAMES: usize = 100_000;

/// The way from ready tasks to pools.
#[derive(Debug)]
pub(crate) struct Routes {
    rules: Vec<Route>,
    known: HashMap<Box<str>, PoolId, FixedState>,
    /// Pools of which no worker has said yet what it knows.
    unheard: Vec<PoolId>,
    /// When they are waited for no longer.
    give_up: Instant,
    /// Ready tasks that wait for them.
    pub(crate) waiting: Queue,
    /// With one pool there is nothing to choose.
    single: bool,
}

impl Routes {
    /// A rule for a pool that is not among the `pools` there are leads to the first.
    pub(crate) fn new(mut rules: Vec<Route>, pools: usize, now: Instant) -> Self {
        for rule in rules.iter_mut().filter(|rule| rule.pool >= pools) {
            rule.pool = 0;
        }
        let single = pools < 2;
        Self {
            rules,
            known: HashMap::default(),
            unheard: if single { Vec::new() } else { (0..pools as u16).map(PoolId).collect() },
            give_up: now + PATIENCE,
            waiting: Queue::default(),
            single,
        }
    }

    /// A worker of this pool says what it knows. A name that several pools know stays with the first of them.
    pub(crate) fn learn(&mut self, pool: PoolId, names: Vec<String>) {
        if self.single {
            return;
        }
        self.unheard.retain(|unheard| *unheard != pool);
        for name in names {
            let full = self.known.len() >= MOST_NAMES;
            match self.known.get_mut(name.as_str()) {
                Some(known) => *known = pool.min(*known),
                None if full => {}
                None => {
                    self.known.insert(name.into_boxed_str(), pool);
                }
            }
        }
    }

    /// Where a task goes; none while that cannot be known.
    pub(crate) fn pool_of(&self, task: &Task) -> Option<PoolId> {
        if self.single {
            return Some(PoolId(0));
        }
        let (name, channel) = (task.message.task(), &*task.source.channel);
        if let Some(rule) = self.rules.iter().find(|rule| rule.fits(name, channel)) {
            return Some(PoolId(rule.pool as u16));
        }
        self.is_complete().then(|| self.known.get(name).copied().unwrap_or(PoolId(0)))
    }

    /// Every pool has been heard, or given up on.
    pub(crate) fn is_complete(&self) -> bool {
        self.unheard.is_empty()
    }

    /// Pools that are not waited for any longer; said once.
    pub(crate) fn give_up(&mut self, now: Instant) -> Vec<PoolId> {
        if now < self.give_up { Vec::new() } else { std::mem::take(&mut self.unheard) }
    }

    /// The next task whose way is known now.
    pub(crate) fn release(&mut self) -> Option<Arc<Task>> {
        if self.is_complete() { self.waiting.pop() } else { None }
    }

    /// When [`Routes::give_up`] will have something.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        (!self.is_complete()).then_some(self.give_up)
    }
}

impl Route {
    fn fits(&self, task: &str, channel: &str) -> bool {
        let text = match self.by {
            RouteBy::Task => task,
            RouteBy::Queue => channel,
        };
        match self.pattern.strip_suffix('*') {
            Some(prefix) => text.starts_with(prefix),
            None => text == self.pattern,
        }
    }
}

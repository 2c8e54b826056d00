//! What must be true after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dispatcher_engine::{Exit, Filter, Place};

use crate::actors::{Life, Rule, Step};
use crate::world::World;

/// How long a task may run while others wait behind it.
const PATIENCE: Duration = Duration::from_millis(2);

/// Where each task is: its handle.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) running: BTreeMap<u32, BTreeSet<u64>>,
    pub(crate) queued: BTreeSet<u64>,
    pub(crate) blocked: BTreeSet<u64>,
    pub(crate) delayed: BTreeSet<u64>,
}

impl Places {
    /// Those that are ready or running.
    fn active(&self) -> BTreeSet<u64> {
        self.running.values().flatten().chain(&self.queued).copied().collect()
    }
}

impl World {
    /// Every task of the engine, each in exactly one place.
    pub(crate) fn places(&self) -> Places {
        let mut places = Places::default();
        let mut seen = BTreeSet::new();
        for found in self.engine.find(&Filter::default()) {
            let handle = found.task.source.handle;
            assert!(seen.insert(handle), "task {handle} is in two places");
            match found.place {
                Place::Worker(worker) => places.running.entry(worker.0).or_default().insert(handle),
                Place::Waiting("queued", _) => places.queued.insert(handle),
                Place::Waiting("blocked", _) => places.blocked.insert(handle),
                Place::Waiting("delayed", _) => places.delayed.insert(handle),
                Place::Waiting(other, _) => panic!("an unknown place {other}"),
            };
        }
        places
    }

    pub(crate) fn check(&self) {
        let places = self.places();
        self.every_task_is_somewhere_or_settled(&places);
        self.twins_keep_their_rules(&places);
        self.workers_have_no_more_than_they_take(&places);
        self.nothing_waits_for_no_reason(&places);
        self.pools_keep_their_size();
        self.tasks_are_in_the_pool_of_their_rule(&places);
        self.ladders_go_on();
        self.times_are_kept(&places);
        assert!(self.engine.next_wakeup().is_none_or(|at| at > self.now), "the wakeup is not later than now");
    }

    fn every_task_is_somewhere_or_settled(&self, places: &Places) {
        let live: BTreeSet<u64> = places
            .active()
            .into_iter()
            .chain(places.blocked.iter().copied())
            .chain(places.delayed.iter().copied())
            .collect();
        let unsettled: BTreeSet<u64> = self
            .tasks
            .iter()
            .filter(|(_, known)| known.settled.is_none())
            .map(|(handle, _)| *handle)
            .collect();
        assert_eq!(live, unsettled, "tasks in the engine, tasks that are not settled");
        for (handle, known) in &self.tasks {
            assert!(known.begun <= 1, "task {handle} was begun {} times", known.begun);
        }
        let (running, queued) = (self.engine.running_count(), self.engine.queued_count());
        assert_eq!(running, places.running.values().map(BTreeSet::len).sum::<usize>());
        assert_eq!(queued, places.queued.len());
        assert_eq!(self.engine.held_count("blocked"), places.blocked.len());
        assert_eq!(self.engine.held_count("delayed"), places.delayed.len());
    }

    fn twins_keep_their_rules(&self, places: &Places) {
        let (active, was_active) = (places.active(), self.before.active());
        let kind = |handle: &u64| self.tasks[handle].work.kind;
        let rule = |handle: &u64| self.tasks[handle].work.rule;
        for handle in active.difference(&was_active).filter(|handle| rule(handle) != Rule::Parallel) {
            let twin = active.intersection(&was_active).find(|other| kind(other) == kind(handle));
            assert_eq!(twin, None, "task {handle} is ready beside its twin");
        }
        for handle in active.iter().filter(|handle| rule(handle) != Rule::Parallel) {
            let other = active.iter().find(|other| {
                *other != handle && kind(other) == kind(handle) && rule(other) != Rule::Parallel
            });
            assert_eq!(other, None, "task {handle} is active beside another that waits for twins");
        }
        for handle in &places.blocked {
            assert!(
                active.iter().any(|other| kind(other) == kind(handle)),
                "task {handle} is blocked by nothing"
            );
            assert!(
                matches!(rule(handle), Rule::Serial | Rule::QueueOne),
                "task {handle} should never be blocked"
            );
        }
        let Some(arrived) =
            self.arrived.filter(|handle| self.takes() && self.tasks[handle].work.delay.is_zero())
        else {
            return;
        };
        let twin = |set: &BTreeSet<u64>| set.iter().any(|other| kind(other) == kind(&arrived));
        let (here, waits) = (twin(&was_active), twin(&self.before.blocked));
        if self.turned_away.contains(&arrived) {
            return;
        }
        let dropped = match rule(&arrived) {
            Rule::Parallel | Rule::Serial => false,
            Rule::Discard => here || waits,
            Rule::QueueOne => waits,
        };
        assert_eq!(self.discarded.contains(&arrived), dropped, "whether task {arrived} is dropped");
        let blocked = !dropped && here && rule(&arrived) != Rule::Parallel;
        assert_eq!(places.blocked.contains(&arrived), blocked, "whether task {arrived} is blocked");
    }

    fn workers_have_no_more_than_they_take(&self, places: &Places) {
        for (worker, sim) in &self.workers {
            let running = places.running.get(&worker.0).map_or(0, BTreeSet::len);
            assert!(running <= sim.slots, "{worker:?} runs {running} tasks");
            let most = self.pools[sim.pool].max_tasks.unwrap_or(u64::MAX);
            assert!(sim.begun_ever <= most, "{worker:?} has begun {} tasks of {most}", sim.begun_ever);
            assert!(sim.has.len() <= sim.slots + sim.ahead, "{worker:?} has {} tasks", sim.has.len());
            assert!(
                places.running.get(&worker.0).is_none_or(|set| set.is_subset(&sim.has)),
                "{worker:?} runs what it does not have"
            );
        }
        for worker in places.running.keys() {
            assert!(
                self.workers.keys().any(|id| id.0 == *worker),
                "a task runs in worker {worker}, which is gone"
            );
        }
    }

    fn nothing_waits_for_no_reason(&self, places: &Places) {
        let mut ahead = BTreeSet::new();
        for (worker, sim) in &self.workers {
            let none = BTreeSet::new();
            let running = places.running.get(&worker.0).unwrap_or(&none);
            let held: BTreeSet<u64> = sim.has.difference(running).copied().collect();
            let since = running.iter().filter_map(|handle| self.tasks[handle].since).min();
            if !held.is_empty() && !sim.asked_back {
                let since = since.unwrap_or_else(|| panic!("{worker:?} holds tasks and runs none"));
                assert!(self.now < since + PATIENCE, "tasks wait in {worker:?} behind a long one");
            }
            ahead.extend(held);
        }
        if !self.begins() {
            return;
        }
        let views = self.engine.workers(self.now);
        let finished: BTreeMap<_, _> = views.iter().map(|view| (view.id, view.finished)).collect();
        let in_queue: Vec<u64> = places.queued.difference(&ahead).copied().collect();
        for handle in in_queue {
            let Some(pool) = self.pool_of(handle) else { continue };
            let mut workers =
                self.workers.iter().filter(|(_, sim)| sim.pool == pool && sim.life == Life::Ready);
            let idle = workers.find(|(worker, sim)| {
                let running = places.running.get(&worker.0);
                let cancelling =
                    running.into_iter().flatten().any(|handle| self.tasks[handle].cancelled.is_some());
                let most = self.pools[sim.pool].max_tasks.unwrap_or(u64::MAX);
                let budget = most.saturating_sub(finished.get(worker).copied().unwrap_or(0));
                let spent = sim.has.len() as u64 >= budget;
                !cancelling
                    && !spent
                    && running.map_or(0, BTreeSet::len) < sim.slots
                    && sim.has.len() < sim.slots
            });
            assert!(idle.is_none(), "task {handle} waits beside an idle worker");
        }
    }

    /// The only pool that may run a task that is ready now; none if that depends on what was known earlier, or is not known.
    fn pool_of(&self, handle: u64) -> Option<usize> {
        match self.tasks[&handle].work.kind % 2 {
            _ if self.pools.len() == 1 => Some(0),
            1 => Some(1),
            _ if self.unheard.is_empty() && !self.known_by.contains(&1) => Some(0),
            _ => None,
        }
    }

    fn tasks_are_in_the_pool_of_their_rule(&self, places: &Places) {
        for (worker, running) in &places.running {
            let sim = self.workers.iter().find(|(id, _)| id.0 == *worker).map(|(_, sim)| sim);
            let astray =
                running.iter().find(|handle| self.tasks[handle].work.kind % 2 == 1 && self.pools.len() > 1);
            if let (Some(astray), Some(sim)) = (astray, sim) {
                assert_eq!(sim.pool, 1, "task {astray} runs in worker {worker}");
            }
        }
    }

    fn pools_keep_their_size(&self) {
        for (number, pool) in self.pools.iter().enumerate() {
            let workers: Vec<_> = self.workers.values().filter(|sim| sim.pool == number).collect();
            assert!(workers.len() <= 2 * self.peaks[number], "pool {number} has {} workers", workers.len());
            let staying = workers.iter().filter(|sim| sim.life != Life::Leaving).count();
            assert!(staying <= pool.max_workers, "pool {number} has {staying} workers that stay");
            if self.stopping || self.backoff.get(&number).is_some_and(|at| *at > self.now) {
                continue;
            }
            let parting = workers.iter().filter(|sim| sim.is_parting()).count();
            let taken = workers.len() - staying - parting.min(pool.max_workers);
            let wanted = pool.min_workers.min(pool.max_workers.saturating_sub(taken));
            // After failed starts one at a time is tried, and one that is going is still on trial.
            let failing = self.engine.start_failures() > 0;
            let (present, wanted) = if failing { (workers.len(), wanted.min(1)) } else { (staying, wanted) };
            assert!(present >= wanted, "pool {number} has {present} workers of {wanted}");
        }
    }

    /// A cancelled task ends its worker in time, and a worker that got SIGTERM gets SIGKILL.
    fn ladders_go_on(&self) {
        let places = self.places();
        for (worker, sim) in &self.workers {
            let running = places.running.get(&worker.0).into_iter().flatten();
            for at in running.filter_map(|handle| self.tasks[handle].cancelled) {
                let late = self.now >= at + Duration::from_millis(40);
                assert!(!late || sim.terminated.is_some(), "{worker:?} goes on with a cancelled task");
            }
            let late = sim.terminated.is_some_and(|at| self.now >= at + Duration::from_millis(30));
            assert!(!late || sim.killed, "{worker:?} outlives its SIGTERM");
        }
    }

    /// Delays are neither short nor long; what is out of time, cancelled or late at the stop was asked to give way.
    fn times_are_kept(&self, places: &Places) {
        for handle in places.active() {
            assert!(self.tasks[&handle].due <= self.now, "task {handle} is ready too early");
        }
        for handle in &places.delayed {
            assert!(self.tasks[handle].due > self.now, "task {handle} is still delayed");
        }
        for (worker, _) in self.workers.iter().filter(|(_, sim)| sim.terminated.is_none()) {
            for handle in places.running.get(&worker.0).into_iter().flatten() {
                let known = &self.tasks[handle];
                let timeout = (!known.work.timeout.is_zero()).then_some(known.work.timeout);
                let timed_out =
                    known.since.zip(timeout).is_some_and(|(since, timeout)| since + timeout <= self.now);
                let hurried = self.hurry_at.is_some_and(|at| at <= self.now);
                let must_go = timed_out || hurried || known.doomed;
                assert!(!must_go || known.cancelled.is_some(), "task {handle} was not asked to give way");
            }
        }
    }

    /// The service stops; workers obey nothing but SIGKILL. All is over in bounded time, and every task is settled.
    pub(crate) fn end(mut self) {
        self.take(Step::Stop);
        self.check();
        let start = self.now;
        while !self.finished {
            let killed = self.workers.iter().find(|(_, sim)| sim.killed).map(|(worker, _)| *worker);
            if let Some(worker) = killed {
                self.exit(worker, Exit::Signal(9));
                self.before = self.places();
            } else {
                let wakeup = self.engine.next_wakeup().expect("workers are left and nothing is to come");
                self.take(Step::Wait(wakeup - self.now));
            }
            self.check();
            let bound = Duration::from_millis(500 + 40 + 30 + 20 + 50);
            assert!(self.now - start < bound, "the stop takes for ever");
        }
        let left: Vec<_> = self.tasks.iter().filter(|(_, known)| known.settled.is_none()).collect();
        assert!(left.is_empty(), "not settled: {left:?}");
    }
}

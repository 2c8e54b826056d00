//! What the engine asks for and says, as the world takes it.

use std::collections::BTreeMap;

use dispatcher_engine::{CancelReason, DropReason, Effect, Event, Rung, Settled, StopReason, Task, WorkerId};

use crate::actors::{Life, Sim};
use crate::world::World;

impl World {
    /// Carries out what the engine asks for, as far as the world can see it at once.
    pub(crate) fn collect(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Spawn { worker, pool } => {
                    let sim = Sim { pool: usize::from(pool.0), ..Sim::default() };
                    assert!(self.workers.insert(worker, sim).is_none(), "a worker's number was used twice");
                    assert!(!self.dead.contains_key(&worker), "a worker's number was used again");
                }
                Effect::Run { worker, seq, task } => self.run(worker, seq, &task),
                Effect::TakeBack { worker } => {
                    let sim = self.sim(worker);
                    assert!(!sim.asked_back, "a take-back while one is unanswered");
                    sim.asked_back = true;
                }
                Effect::Cancel { worker, uuid } => {
                    let tasks: BTreeMap<_, _> =
                        self.tasks.iter().map(|(handle, known)| (*handle, known.uuid.clone())).collect();
                    assert!(
                        self.sim(worker).has.iter().any(|handle| *tasks[handle] == *uuid),
                        "a cancel of a task that is not there"
                    );
                }
                Effect::Terminate { worker } => {
                    let now = self.now;
                    self.sim(worker).terminated = Some(now);
                    self.sim(worker).life = Life::Leaving;
                }
                Effect::Kill { worker } => self.sim(worker).killed = true,
                Effect::StopWorker { worker } => self.sim(worker).life = Life::Leaving,
                Effect::Forget { worker } => {
                    assert!(self.dead.contains_key(&worker), "a worker is forgotten before its end");
                    assert!(self.forgotten.insert(worker), "a worker is forgotten twice");
                }
                Effect::Settle { source, outcome } => self.settle(source.handle, outcome),
                Effect::Event(event) => self.hear(event),
                Effect::Finished => {
                    assert!(!self.finished, "finished twice");
                    assert!(self.workers.is_empty(), "finished with workers left");
                    self.finished = true;
                }
                Effect::GiveUp { .. } => {
                    assert!(
                        self.pools.iter().any(|pool| pool.max_start_failures.is_some()),
                        "gives up unasked"
                    );
                }
                Effect::Control { .. } | Effect::Demand { .. } => {}
            }
        }
    }

    pub(crate) fn sim(&mut self, worker: WorkerId) -> &mut Sim {
        self.workers.get_mut(&worker).unwrap_or_else(|| panic!("an effect names {worker:?}, which is gone"))
    }

    fn run(&mut self, worker: WorkerId, seq: u64, task: &Task) {
        assert!(self.begins(), "a task is given out while none may begin");
        let handle = task.source.handle;
        let sim = self.sim(worker);
        assert!(sim.life == Life::Ready, "a task for a worker that does not take any");
        sim.frames.push_back((seq, handle));
        sim.owners.insert(seq, handle);
        assert!(sim.tickets.insert(seq), "a ticket given twice");
        for sim in self.workers.values_mut() {
            sim.has.remove(&handle);
        }
        self.sim(worker).has.insert(handle);
        if let Some(known) = self.tasks.get_mut(&handle) {
            assert!(!known.doomed, "task {handle} is given out after it was cancelled");
            (known.since, known.surely_unbegun) = (None, false);
        }
    }

    fn settle(&mut self, handle: u64, outcome: Settled) {
        for sim in self.workers.values_mut() {
            sim.has.remove(&handle);
        }
        let Some(known) = self.tasks.get_mut(&handle) else { return };
        assert_eq!(known.settled, None, "task {handle} is settled twice");
        assert!(
            !(known.surely_unbegun && known.begun == 0 && outcome == Settled::Lost),
            "task {handle} was never begun"
        );
        known.settled = Some(outcome);
    }

    fn hear(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Started { task, .. } => {
                if let Some(known) = self.tasks.get_mut(&task.source.handle) {
                    (known.since, known.cancelled) = (Some(now), None);
                }
            }
            Event::Dropped { task, why: DropReason::Duplicate } => {
                self.discarded.insert(task.source.handle);
            }
            Event::Dropped { task, why: why @ (DropReason::Full(_) | DropReason::Quiet) } => {
                assert!(why != DropReason::Quiet || !self.takes(), "turned away for {why:?}");
                self.turned_away.insert(task.source.handle);
            }
            Event::Ladder { task: Some(task), rung: Rung::Cancel, why, .. } => {
                if let Some(known) = self.tasks.get_mut(&task.source.handle) {
                    assert!(
                        known.cancelled.is_none() || why == CancelReason::Control,
                        "cancelled twice for {why:?}"
                    );
                    known.cancelled.get_or_insert(now);
                }
            }
            Event::StartFailed { worker, retry_in, .. } => {
                self.backoff.insert(self.dead[&worker], now + retry_in);
            }
            Event::WorkerStopping { why: StopReason::Demand, busy, .. } => {
                assert!(!busy, "a busy worker is let go for want of demand");
            }
            Event::PoolSilent { pool, .. } => {
                assert!(self.unheard.remove(&usize::from(pool.0)), "{pool:?} has been heard");
            }
            Event::WorkerReady { pool, .. } => {
                self.backoff.remove(&usize::from(pool.0));
            }
            _ => {}
        }
    }
}

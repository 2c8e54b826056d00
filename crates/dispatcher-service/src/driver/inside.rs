//! What the engine asks of workers that live in this process, and what the application around them asks of the service.
//!
//! No frames and no signals: orders are calls that return at once, and what they find out goes straight back into the
//! engine. Decides nothing.

use std::time::Instant;

use dispatcher_engine::{Effect, Input, Rung, WorkerId};
use dispatcher_protocol::Done;
use tracing::{error, warn};

use super::{Driver, Origin};
use crate::control::{self, Answer, Reply};
use crate::gate::Asker;
use crate::health;
use crate::worker::WorkerHandle;
use crate::worker::inside::AHEAD;

impl Driver {
    /// A new worker inside this process: nothing has to be waited for.
    pub(super) fn ready_at_once(&mut self, worker: WorkerId, tasks: Vec<String>) {
        let now = Instant::now();
        self.engine.handle(Input::WorkerStarted { worker }, now);
        self.engine.handle(Input::WorkerReady { worker, slots: 1, ahead: AHEAD, tasks }, now);
    }

    /// Carries out what is asked of a worker in this process; gives back everything else.
    pub(super) fn order_inside(&mut self, effect: Effect) -> Option<Effect> {
        let Some(worker) = addressee(&effect) else { return Some(effect) };
        let Some(lane) = self.workers.get(&worker).and_then(WorkerHandle::lane) else { return Some(effect) };
        match effect {
            Effect::Run { seq, task, .. } => lane.run(seq, task),
            Effect::TakeBack { .. } => {
                let seqs = lane.take_back();
                self.engine.handle(Input::TakenBack { worker, seqs }, Instant::now());
            }
            Effect::Cancel { uuid, .. } => lane.cancel(&uuid),
            Effect::StopWorker { .. } => lane.leave(),
            Effect::Terminate { .. } => _ = lane.give_up(Rung::Terminate),
            Effect::Kill { .. } => self.give_up(worker),
            other => return Some(other),
        }
        None
    }

    fn give_up(&mut self, worker: WorkerId) {
        let Some(exit) =
            self.workers.get(&worker).and_then(WorkerHandle::lane).and_then(|lane| lane.give_up(Rung::Kill))
        else {
            return;
        };
        for running in self.engine.running(|id, _| id == worker) {
            error!(
                target: "dispatcher.pool",
                worker = worker.0,
                "given up: {}; it does not give way, and a thread of this process still runs it: only the end of the \
                 process ends that",
                running.task
            );
        }
        self.worker_ended(worker);
        self.engine.handle(Input::WorkerExited { worker, exit }, Instant::now());
    }

    /// Tasks of a worker in this process have ended.
    pub(super) fn ended(&mut self, worker: WorkerId, done: Vec<Done>, now: Instant) {
        for done in done {
            self.engine.handle(Input::TaskDone { worker, done }, now);
        }
    }

    /// Answers somebody in this process.
    pub(super) fn ask(
        &mut self,
        from: Option<WorkerId>,
        (command, data): (&str, &Reply),
        answer: tokio::sync::oneshot::Sender<Reply>,
        now: Instant,
    ) {
        self.engine.count_control();
        // Tasks are held back like those of any worker; the application may ask as often as it likes.
        let admitted = from.map_or(Ok(()), |worker| self.service.gate.admit(Asker::Worker(worker), now));
        let reply = match admitted {
            Ok(()) => control::answer(self, command, data, now),
            Err(refusal) => Answer::Now(refusal.reply()),
        };
        self.give(Origin::Here(answer), reply);
    }

    /// The application asks the service to stop, or not to wait any longer.
    pub(super) fn stop_for_application(&mut self, hurry: bool, now: Instant) {
        match (self.engine.is_stopping(), hurry) {
            (true, false) => {}
            (false, false) => self.stop("stopped by its application", now),
            (_, true) => {
                warn!(target: "dispatcher.main", "hurried by its application: running tasks are cancelled now");
                self.engine.handle(Input::Hurry, now);
            }
        }
    }

    /// Tells those who wait for it that nothing is missing any more.
    pub(super) fn tell_ready(&mut self) {
        if self.waiting_for_ready.is_empty() {
            return;
        }
        if health::missing(&control::Context::of(self, Instant::now())).is_empty() {
            for waiting in self.waiting_for_ready.drain(..) {
                let _ = waiting.send(());
            }
        }
    }
}

/// The worker that has to do something.
fn addressee(effect: &Effect) -> Option<WorkerId> {
    match effect {
        Effect::Run { worker, .. }
        | Effect::TakeBack { worker }
        | Effect::Cancel { worker, .. }
        | Effect::StopWorker { worker }
        | Effect::Terminate { worker }
        | Effect::Kill { worker } => Some(*worker),
        _ => None,
    }
}

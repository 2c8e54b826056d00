//! What the engine asks for, carried out without waiting.

use std::time::Instant;

use dispatcher_broker::Settled;
use dispatcher_engine::{Effect, Input, PoolId, Source, Task, WorkerId};
use dispatcher_protocol::{ControlRequest, RunHead, write_run, write_stop};
use tracing::warn;

use super::{Driver, End, Origin};
use crate::control::{self, Answer};
use crate::events;
use crate::gate::{Asker, Refusal};
use crate::reply::Reply;
use crate::worker::{Maker, Outgoing, WorkerHandle};

impl Driver {
    /// Carries out everything the engine has asked for.
    pub(super) fn carry_out(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            let Some(effect) = self.order_inside(effect) else { continue };
            match effect {
                Effect::Spawn { worker, pool } => self.spawn(worker, pool),
                Effect::Run { worker, seq, task } => self.hand_out(worker, seq, &task),
                Effect::TakeBack { worker } => self.tell(worker, Outgoing::TakeBack),
                Effect::Cancel { worker, uuid } => self.tell(worker, Outgoing::Cancel { uuid }),
                Effect::StopWorker { worker } => self.tell(worker, Outgoing::Stop(frame(write_stop))),
                Effect::Terminate { worker } => {
                    let look = self.is_busy(worker);
                    self.tell(worker, Outgoing::Terminate { look });
                }
                Effect::Kill { worker } => {
                    let look = self.is_busy(worker);
                    self.tell(worker, Outgoing::Kill { look });
                }
                Effect::Forget { worker } => {
                    self.workers.remove(&worker);
                    self.service.gate.forget(worker);
                }
                Effect::Settle { source, outcome } => self.settle(&source, outcome),
                Effect::Demand { free } => {
                    self.brokers.iter().for_each(|link| link.broker.demand(free));
                }
                Effect::Control { request, source } => self.answer(&request, &source),
                Effect::Event(event) => {
                    self.service.tally.count(&event);
                    events::record(event);
                }
                Effect::GiveUp { why } => self.end = Some(End::Fatal(why)),
                Effect::Finished => self.end = Some(End::Stopped),
            }
        }
    }

    fn spawn(&mut self, worker: WorkerId, pool: PoolId) {
        match self.makers.get(usize::from(pool.0)) {
            Some(Maker::Processes(launcher)) => {
                let handle = WorkerHandle::start(worker, launcher, &self.inbox, &mut self.tenders);
                self.workers.insert(worker, handle);
            }
            Some(Maker::Inside(performer)) => {
                let handle = WorkerHandle::inside(worker, performer, &self.inbox, &mut self.tenders);
                self.workers.insert(worker, handle);
                let names = performer.names();
                self.ready_at_once(worker, names);
            }
            None => {}
        }
    }

    /// Hands a task out. One that its worker will never be told of is taken back at once.
    fn hand_out(&mut self, worker: WorkerId, seq: u64, task: &Task) {
        let head = RunHead {
            seq,
            attempt: task.attempt,
            trusted: task.trusted,
            uuid: &task.uuid,
            channel: &task.source.channel,
        };
        let frame = frame(|out| write_run(out, head, &task.message));
        if !self.order(worker, Outgoing::Run { seq, frame }) {
            self.engine.handle(Input::WorkerLeaving { worker, unbegun: vec![seq] }, Instant::now());
        }
    }

    /// As [`Driver::order`], for what means nothing to a worker that is going.
    pub(super) fn tell(&self, worker: WorkerId, order: Outgoing) {
        self.order(worker, order);
    }

    /// False when nobody takes orders for this worker any more.
    fn order(&self, worker: WorkerId, order: Outgoing) -> bool {
        self.workers.get(&worker).is_some_and(|handle| handle.order(order))
    }

    fn settle(&self, source: &Source, outcome: dispatcher_engine::Settled) {
        if let Some(link) = source.broker.and_then(|broker| self.brokers.get(usize::from(broker.0))) {
            link.broker.settle(source.handle, translate(outcome));
        }
    }

    /// Answers a control request where it came from, or says there that it is refused.
    fn answer(&mut self, request: &ControlRequest, source: &Source) {
        let Some((broker, link)) =
            source.broker.and_then(|broker| Some((broker, self.brokers.get(usize::from(broker.0))?)))
        else {
            return;
        };
        let now = Instant::now();
        let is_asked = request.reply_to.is_some();
        let admitted = match self.service.gate.admit(Asker::Broker(broker), now) {
            Ok(()) if is_asked && !link.replies.have_room() => {
                Err(self.service.gate.refuse(Refusal::Replies))
            }
            admitted => admitted,
        };
        let answer = match admitted {
            Ok(()) if is_asked || control::acts(&request.command) => {
                control::answer(self, &request.command, &request.data, now)
            }
            Ok(()) => return,
            Err(refusal) => {
                let broker = link.broker.name();
                warn!(target: "dispatcher.control", broker, command = request.command, "{refusal}");
                if !link.replies.are_few() {
                    return;
                }
                Answer::Now(refusal.reply())
            }
        };
        let Some(named) = &request.reply_to else { return };
        let Some(link) = self.brokers.get(usize::from(broker.0)) else { return };
        let channel = link.broker.reply_channel(&source.channel, named).to_owned();
        self.give(Origin::Channel { broker: broker.0, channel }, answer);
    }

    fn is_busy(&self, worker: WorkerId) -> bool {
        !self.engine.running(|id, _| id == worker).is_empty()
    }

    /// Sends the end of a channel after the answers to everything that came by it.
    pub(super) fn end_channel(&mut self, broker: u16, channel: &str) {
        self.carry_out();
        // Without it, the broker ends the channel by its own clock.
        self.send(broker, Reply { channel: channel.to_owned(), text: None });
    }
}

/// A frame as its own bytes.
pub(super) fn frame(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = Vec::new();
    write(&mut frame);
    frame
}

/// The engine's word for an outcome in the broker's language.
fn translate(outcome: dispatcher_engine::Settled) -> Settled {
    match outcome {
        dispatcher_engine::Settled::Acknowledged => Settled::Acknowledged,
        dispatcher_engine::Settled::Lost => Settled::Retry,
        dispatcher_engine::Settled::Released => Settled::Released,
    }
}

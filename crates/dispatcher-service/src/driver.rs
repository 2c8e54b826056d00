//! The one task that touches the engine.
//!
//! Waits for news, a delivery or the wakeup; hands it in; carries out what the engine asks for. It awaits in
//! its `select!` and nowhere else, so nothing outside can make the engine wait. Decides nothing itself.

mod effects;
mod inside;
mod questions;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use dispatcher_broker::{Broker, FromBroker};
use dispatcher_engine::{BrokerId, Engine, Input, Source, WorkerId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Sleep, sleep_until};
use tracing::{info, warn};

use self::questions::Origin;
pub(crate) use self::questions::Questions;
use crate::control::{self, Answer, Service};
use crate::gate::Asker;
use crate::inbox::Inbox;
use crate::manager::Manager;
use crate::reply::Replies;
use crate::stall::Beat;
use crate::web;
use crate::worker::{Maker, WorkerHandle};

/// How much is taken from one channel before the other is looked at: news of workers and deliveries must not
/// starve each other.
const BATCH: usize = 64;

/// Why the driver came to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything is stopped as it was asked for.
    Stopped,
    /// Something without which the service must not go on.
    Fatal(String),
}

/// A broker as the driver holds it.
pub(crate) struct BrokerLink {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) replies: Replies,
    /// Deliveries taken in, for the `producers` command.
    pub(crate) produced: u64,
    /// Sessions that were made anew.
    pub(crate) recycled: u64,
    pub(crate) since: Instant,
    /// Whether a session listens now; set by the listener.
    pub(crate) listening: Arc<AtomicBool>,
}

/// The engine's owner.
pub(crate) struct Driver {
    pub(crate) engine: Engine,
    pub(crate) service: Service,
    pub(crate) brokers: Vec<BrokerLink>,
    pub(crate) workers: HashMap<WorkerId, WorkerHandle>,
    /// By pool.
    pub(crate) makers: Vec<Maker>,
    /// Who wants to know when nothing is missing.
    pub(crate) waiting_for_ready: Vec<oneshot::Sender<()>>,
    pub(crate) inbox: mpsc::Sender<Inbox>,
    /// Requests whose answers wait for workers.
    pub(crate) questions: Questions,
    /// Tenders of workers; they end by themselves when their worker does.
    pub(crate) tenders: JoinSet<()>,
    pub(crate) end: Option<End>,
    /// Tells the listeners once that they may begin.
    pub(crate) open: watch::Sender<bool>,
    /// Who wants to be told how it goes, if somebody does.
    pub(crate) manager: Option<Manager>,
    pub(crate) beat: Beat,
}

impl Driver {
    /// Runs until the engine has nothing left to do after a stop, or something fatal happened.
    pub(crate) async fn run(
        mut self,
        mut news: mpsc::Receiver<Inbox>,
        mut deliveries: mpsc::Receiver<(u16, FromBroker)>,
    ) -> End {
        let wakeup = sleep_until(tokio::time::Instant::now());
        tokio::pin!(wakeup);
        let (mut heard, mut arrived) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        loop {
            self.carry_out();
            if let Some(end) = self.end.take() {
                return end;
            }
            self.open_when_staffed();
            self.come_round();
            let armed = self.arm(wakeup.as_mut());
            tokio::select! {
                _ = news.recv_many(&mut heard, BATCH) => {}
                _ = deliveries.recv_many(&mut arrived, BATCH) => {}
                () = &mut wakeup, if armed => self.wake(),
            }
            // Whichever came first, the other gets its turn too.
            take_more(&mut news, &mut heard);
            take_more(&mut deliveries, &mut arrived);
            let now = Instant::now();
            for piece in heard.drain(..) {
                self.hear(piece, now);
            }
            for (broker, what) in arrived.drain(..) {
                self.deliver(broker, what, now);
            }
            while let Some(ended) = self.tenders.try_join_next() {
                with_its_panic(ended);
            }
        }
    }

    /// Lets the listeners begin as soon as no worker is waiting for its process any more: whoever gets an answer from
    /// this service finds its workers there. With several pools, as soon as it is known which of them runs what.
    fn open_when_staffed(&self) {
        let staffed = || self.workers.values().all(|worker| worker.ended || worker.pid.is_some());
        if !*self.open.borrow() && staffed() && self.engine.knows_its_ways() {
            self.open.send_replace(true);
        }
    }

    /// Whoever watches sees that this loop goes round.
    fn come_round(&mut self) {
        self.beat.count();
        self.tell_ready();
        if let Some(mut manager) = self.manager.take() {
            let now = Instant::now();
            manager.turn(&control::Context::of(self, now), now);
            self.manager = Some(manager);
        }
    }

    /// Sets the timer to the next wakeup, the engine's, that of a question, or the service manager's; false when there is none.
    fn arm(&self, mut wakeup: std::pin::Pin<&mut Sleep>) -> bool {
        let others = [self.questions.next_wakeup(), self.manager.as_ref().and_then(Manager::due)];
        let next = self.engine.next_wakeup().into_iter().chain(others.into_iter().flatten()).min();
        let Some(at) = next else { return false };
        let at = tokio::time::Instant::from_std(at);
        if wakeup.deadline() != at {
            wakeup.as_mut().reset(at);
        }
        true
    }

    fn wake(&mut self) {
        let now = Instant::now();
        self.engine.handle(Input::Tick, now);
        self.give_up_questions(now);
    }

    fn hear(&mut self, news: Inbox, now: Instant) {
        match news {
            Inbox::Engine(input) => {
                if let Input::WorkerExited { worker, .. } = &input {
                    self.worker_ended(*worker);
                }
                self.engine.handle(input, now);
            }
            // None of these is the end of a worker.
            Inbox::Many(inputs) => inputs.into_iter().for_each(|input| self.engine.handle(input, now)),
            Inbox::Ended { worker, done } => self.ended(worker, done, now),
            Inbox::Ask { from, command, data, answer } => self.ask(from, (&command, &data), answer, now),
            Inbox::Stack { worker, stack, before } => self.seen(worker, &stack, before),
            Inbox::Spawned { worker, pid } => {
                if let Some(handle) = self.workers.get_mut(&worker) {
                    handle.pid = Some(pid);
                }
                self.engine.handle(Input::WorkerStarted { worker }, now);
            }
            Inbox::Control { worker, id, command, data } => {
                self.engine.count_control();
                let answer = match self.service.gate.admit(Asker::Worker(worker), now) {
                    Ok(()) => control::answer(self, &command, &data, now),
                    Err(refusal) => Answer::Now(refusal.reply()),
                };
                self.give(Origin::Task { worker, id }, answer);
            }
            Inbox::Signal(name) => self.stop(name, now),
            Inbox::Stop { hurry } => self.stop_for_application(hurry, now),
            Inbox::WhenReady(waiting) => self.waiting_for_ready.push(waiting),
            Inbox::Lost { broker } => {
                if let Some(link) = self.brokers.get_mut(usize::from(broker)) {
                    link.recycled += 1;
                }
            }
            // Being heard is the answer.
            Inbox::AreYouThere => {}
            Inbox::Web(ask) => web::answer(&control::Context::of(self, now), ask),
            Inbox::Fatal(why) => self.end = Some(End::Fatal(why)),
        }
    }

    /// The first signal begins the drain, the next one hurries it.
    fn stop(&mut self, signal: &str, now: Instant) {
        if self.engine.is_stopping() {
            warn!(target: "dispatcher.main", "{signal} again: running tasks are cancelled now");
            self.engine.handle(Input::Hurry, now);
        } else {
            warn!(
                target: "dispatcher.main",
                running = self.engine.running_count(),
                "{signal}: no more tasks are taken; running ones may finish within {} s",
                self.service.shutdown_grace.as_secs_f64()
            );
            self.engine.handle(Input::Stop, now);
        }
    }

    fn deliver(&mut self, broker: u16, what: FromBroker, now: Instant) {
        let Some(link) = self.brokers.get_mut(usize::from(broker)) else { return };
        match what {
            FromBroker::Listening => info!(
                target: "dispatcher.broker",
                broker = link.broker.name(),
                channels = ?link.broker.channels(),
                "listening"
            ),
            FromBroker::Delivery(delivery) => {
                link.produced += 1;
                let source = Source {
                    broker: Some(BrokerId(broker)),
                    channel: delivery.channel,
                    handle: delivery.handle,
                };
                self.engine.handle(Input::Delivery { source, payload: delivery.payload }, now);
            }
            FromBroker::Ended(channel) => self.end_channel(broker, &channel),
        }
    }
}

/// A task that has panicked takes everything with it: there is no half of a service. (In a release a panic ends the process
/// by itself.)
pub(crate) fn with_its_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Adds what is there already, up to a batch.
fn take_more<T>(from: &mut mpsc::Receiver<T>, into: &mut Vec<T>) {
    while into.len() < BATCH {
        match from.try_recv() {
            Ok(piece) => into.push(piece),
            Err(_) => return,
        }
    }
}

//! One task a worker process: frames in, frames out, signals, and the end.
//!
//! Owns the worker's channel, tickets and process. Treats everything the worker says as hostile: a frame that
//! cannot be read ends this worker and nothing else. Never decides anything about a task (that is the engine's).

mod heard;

use std::sync::Arc;

use dispatcher_engine::{Exit, Input, Rung, WorkerId};
use dispatcher_protocol::{FrameReader, MAX_FRAME, write_cancel};
use rustix::process::Signal;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::Outgoing;
use super::again::Again;
use super::channel::Channel;
use super::launch::{Launched, Launcher};
use super::memory::Memory;
use super::process::Process;
use super::refusal::Refusal;
use super::stack::{Stack, StackPipe};
use super::tickets::Tickets;
use crate::inbox::Inbox;

/// Bytes asked for in one read. Done frames are about 150 bytes, so a busy worker's whole batch fits.
const READ: usize = 32 * 1024;

/// How many orders are carried out between two looks at the socket.
const ORDERS: usize = 16;

/// With more bytes than this that a worker has not read, it gets no further reply: an honest task waits for each.
const MOST_UNSENT: usize = 16 * 1024 * 1024;

/// Lives as long as the worker: makes it, speaks for it, and reports its end exactly once.
pub(crate) async fn tend(
    worker: WorkerId,
    launcher: Arc<Launcher>,
    mut orders: mpsc::UnboundedReceiver<Outgoing>,
    inbox: mpsc::Sender<Inbox>,
) {
    let exit = match launch(worker, &launcher, &mut orders).await {
        Ok((made, waiting)) => {
            let pid = made.process.pid();
            let mut tender = Tender::new(worker, made, inbox.clone());
            tender.report(Inbox::Spawned { worker, pid }).await;
            let exit = tender.live(waiting, &mut orders).await;
            let never_written = left_over(&mut orders);
            tender.tell_unbegun(never_written).await;
            // What it has left behind ends here, with its control group.
            launcher.explain(exit, &tender.process)
        }
        Err(refusal) => refusal.exit(),
    };
    // A closed inbox means that the service is ending; nobody is left to tell.
    let _ = inbox.send(Inbox::Engine(Input::WorkerExited { worker, exit })).await;
}

/// Makes the process. Orders that come meanwhile wait for it, but an order to stop ends the wait.
async fn launch(
    worker: WorkerId,
    launcher: &Launcher,
    orders: &mut mpsc::UnboundedReceiver<Outgoing>,
) -> Result<(Launched, Vec<Outgoing>), Refusal> {
    let mut waiting = Vec::new();
    let launch = launcher.launch(worker.0);
    tokio::pin!(launch);
    loop {
        tokio::select! {
            made = &mut launch => return Ok((made?, waiting)),
            order = orders.recv() => match order {
                None | Some(Outgoing::Stop(_) | Outgoing::Terminate { .. } | Outgoing::Kill { .. }) => {
                    return Err("stopped while it was starting".into());
                }
                Some(order) => waiting.push(order),
            },
        }
    }
}

/// The tickets of tasks that were ordered when nobody wrote to the worker any more. Later orders fail, and the driver takes
/// them back itself.
fn left_over(orders: &mut mpsc::UnboundedReceiver<Outgoing>) -> Vec<u64> {
    orders.close();
    let left = std::iter::from_fn(|| orders.try_recv().ok());
    left.filter_map(|order| if let Outgoing::Run { seq, .. } = order { Some(seq) } else { None }).collect()
}

struct Tender {
    worker: WorkerId,
    channel: Channel,
    tickets: Option<Tickets>,
    process: Process,
    memory: Option<Memory>,
    again: Again,
    stack: StackPipe,
    /// The rung that waits for the stack which is being taken.
    rung: Option<Rung>,
    inbox: mpsc::Sender<Inbox>,
    reader: FrameReader,
    /// What the worker said, until it is passed on.
    news: Vec<Input>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    /// Tickets of the run frames being gathered for one write.
    seqs: Vec<u64>,
    /// A cancel waits for its frame to leave: the worker has to be told to look once more then.
    look_again: bool,
}

/// What the worker's channel came to.
enum Line {
    Open,
    Closed,
    Broken(String),
}

impl Tender {
    fn new(worker: WorkerId, launched: Launched, inbox: mpsc::Sender<Inbox>) -> Self {
        Self {
            worker,
            channel: launched.channel,
            tickets: launched.tickets,
            process: launched.process,
            memory: launched.memory,
            again: Again::default(),
            stack: launched.stack,
            rung: None,
            inbox,
            reader: FrameReader::new(MAX_FRAME),
            news: Vec::new(),
            unsent: Vec::new(),
            seqs: Vec::new(),
            look_again: false,
        }
    }

    async fn report(&self, news: Inbox) {
        let _ = self.inbox.send(news).await;
    }

    /// Serves the worker until it is gone.
    async fn live(&mut self, waiting: Vec<Outgoing>, orders: &mut mpsc::UnboundedReceiver<Outgoing>) -> Exit {
        self.carry_out(waiting).await;
        let mut batch = Vec::with_capacity(ORDERS);
        loop {
            tokio::select! {
                biased;
                count = orders.recv_many(&mut batch, ORDERS) => {
                    if count == 0 {
                        // The driver is gone without having stopped us: nothing may outlive the service.
                        return self.killed().await;
                    }
                    self.carry_out(batch.drain(..)).await;
                }
                // Before what the worker says, as it might never stop saying something.
                () = self.stack.written(), if self.stack.is_taking() => self.looked().await,
                () = self.again.due(), if !self.again.is_empty() => self.cancel_again(),
                got = self.channel.read(self.reader.space(READ)) => match self.take_in(got).await {
                    Line::Open => {}
                    Line::Closed => return self.ended(None).await,
                    Line::Broken(why) => return self.ended(Some(why)).await,
                },
                () = self.channel.has_room(), if !self.unsent.is_empty() => self.flush(),
                exit = self.process.exited() => {
                    self.read_rest().await;
                    if self.stack.is_taking() {
                        self.looked().await;
                    }
                    return exit;
                }
            }
        }
    }

    /// The channel is of no more use: an ordinary exit follows at once, anything else is ended by force.
    async fn ended(&mut self, broken: Option<String>) -> Exit {
        let Some(why) = broken else {
            let grace = std::time::Duration::from_millis(250);
            if let Ok(exit) = tokio::time::timeout(grace, self.process.exited()).await {
                return exit;
            }
            self.killed().await;
            return Exit::Protocol("it closed its channel without ending".to_owned());
        };
        warn!(target: "dispatcher.pool", worker = self.worker.0, "{why}; the worker is replaced");
        self.killed().await;
        Exit::Protocol(why)
    }

    /// Ends the worker, and everything below it, by force.
    async fn killed(&mut self) -> Exit {
        self.process.kill_tree();
        self.process.exited().await
    }

    async fn carry_out(&mut self, orders: impl IntoIterator<Item = Outgoing>) {
        for order in orders {
            match order {
                Outgoing::Run { seq, frame } => {
                    self.again.give_up();
                    self.seqs.push(seq);
                    self.unsent.extend_from_slice(&frame);
                }
                Outgoing::Reply(_) if self.unsent.len() > MOST_UNSENT => {
                    debug!(target: "dispatcher.pool", worker = self.worker.0, "a reply that its worker does not read is dropped");
                }
                Outgoing::Stop(frame) | Outgoing::Reply(frame) => self.unsent.extend_from_slice(&frame),
                Outgoing::Cancel { uuid } => {
                    self.cancel(&uuid, false);
                    self.again.told(uuid);
                }
                Outgoing::TakeBack => {
                    self.flush();
                    self.take_back().await;
                }
                Outgoing::Look => self.look(None).await,
                Outgoing::Terminate { look } => self.climb(Rung::Terminate, look).await,
                Outgoing::Kill { look } => self.climb(Rung::Kill, look).await,
            }
        }
        self.flush();
    }

    fn cancel(&mut self, uuid: &str, again: bool) {
        write_cancel(&mut self.unsent, uuid, again);
        // The worker looks for the frame when the signal comes, so the frame goes first.
        self.flush();
        self.process.signal(Signal::USR1);
        self.look_again = !self.unsent.is_empty();
    }

    /// A worker that has not read what was said before is not told more.
    fn cancel_again(&mut self) {
        for uuid in self.again.take() {
            if self.unsent.is_empty() {
                self.cancel(&uuid, true);
            }
        }
    }

    /// Begins to take a stack, before the worker is signalled if that is the reason. One that is being taken already
    /// serves both.
    async fn look(&mut self, before: Option<Rung>) {
        self.rung = self.rung.max(before);
        if self.stack.is_taking() {
            return;
        }
        if let Err(why) = self.stack.begin(&self.process) {
            self.tell_stack(Err(why)).await;
        }
    }

    /// The stack has come, or its time is over.
    async fn looked(&mut self) {
        if self.stack.ask_harder(&self.process) {
            return;
        }
        let stack = self.stack.take(&self.process);
        self.tell_stack(stack).await;
    }

    /// What waited for the stack goes first: it has waited long enough.
    async fn tell_stack(&mut self, stack: Stack) {
        let before = self.rung.take();
        if let Some(rung) = before {
            self.end(rung);
        }
        self.report(Inbox::Stack { worker: self.worker, stack, before }).await;
    }

    /// A hard end, after a look if there is anything to be seen.
    async fn climb(&mut self, rung: Rung, look: bool) {
        if look && self.stack.is_offered() {
            return self.look(Some(rung)).await;
        }
        self.rung = None;
        self.end(rung);
    }

    fn end(&mut self, rung: Rung) {
        self.again.give_up();
        if rung == Rung::Kill {
            self.stack.withdraw();
            return self.process.kill_tree();
        }
        self.process.signal(Signal::TERM);
        // A stopped process would keep the signal for later.
        self.process.signal(Signal::CONT);
    }

    async fn take_back(&mut self) {
        let Some(tickets) = &self.tickets else { return };
        match tickets.take_back() {
            Ok(seqs) => {
                self.report(Inbox::Engine(Input::TakenBack { worker: self.worker, seqs })).await;
            }
            Err(error) => {
                warn!(target: "dispatcher.pool", worker = self.worker.0, %error, "cannot take tasks back");
            }
        }
    }

    /// The worker begins nothing more: what still has its ticket never was begun, nor was what it was never told of;
    /// neither is lost with it.
    async fn tell_unbegun(&self, never_written: Vec<u64>) {
        let mut unbegun =
            self.tickets.as_ref().and_then(|tickets| tickets.take_back().ok()).unwrap_or_default();
        unbegun.extend(never_written);
        let worker = self.worker;
        self.report(Inbox::Engine(Input::WorkerLeaving { worker, unbegun })).await;
    }

    /// Writes what the socket takes: tickets first, so that no frame is ever seen without its ticket.
    fn flush(&mut self) {
        if !self.seqs.is_empty() {
            if let Some(Err(error)) = self.tickets.as_ref().map(|tickets| tickets.give(&self.seqs)) {
                debug!(target: "dispatcher.pool", worker = self.worker.0, %error, "tickets not given");
            }
            self.seqs.clear();
        }
        if self.channel.send(&mut self.unsent).is_err() {
            // The worker is going; its exit says the rest.
            self.unsent.clear();
        }
        if self.unsent.is_empty() && std::mem::take(&mut self.look_again) {
            self.process.signal(Signal::USR1);
        }
    }
}

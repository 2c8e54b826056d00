//! The life of a worker: one loop that reads the channel, begins tasks, hears of their ends and writes.
//!
//! Owns everything that changes; runs reach it through [`Hand`] alone. Each turn ends in one write for all that has come
//! to be said. Where it stands: between the channel and the runs.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dispatcher_protocol::{
    Finished, Ready, RunFrame, ServiceFrame, ServiceReader, Setup, WORKER_PROTOCOL, write_control,
    write_done, write_progress, write_ready, write_shutdown,
};
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::WorkerError;
use super::channel::{Channel, Watched};
use super::hand::{Answer, Hand, News, RunId};
use super::policy::Policy;
use super::run::{Ending, Shared, run};
use crate::context::{RunInfo, TaskContext};
use crate::registry::Registry;

/// News taken in one turn.
const BATCH: usize = 256;

/// Within this time after a cancel frame its signal comes, if it comes at all.
const EXCUSE: Duration = Duration::from_secs(5);

/// How often runs are heard that tell how far they have come.
const PROGRESS: Duration = Duration::from_millis(50);

/// Runs tasks until the service lets this worker go.
pub(super) async fn serve(
    number: u32,
    slots: u16,
    registry: Registry,
    setup: &Setup,
    channel: Channel,
    reader: ServiceReader,
) -> Result<(), WorkerError> {
    let (told, news) = mpsc::unbounded_channel();
    let hand = Arc::new(Hand::new(told));
    let tasks = registry.names().into_iter().map(str::to_owned).collect();
    let mut live = Live {
        number,
        shared: Arc::new(Shared { registry, policy: Policy::of(setup), hand }),
        channel: channel.watch()?,
        out: Vec::new(),
        runs: HashMap::new(),
        last_run: 0,
        questions: HashMap::new(),
        asked: 0,
        excused: VecDeque::new(),
        progress_due: None,
        is_open: true,
        is_told_to_stop: false,
        leaves_by_signal: false,
        busy: Arc::default(),
    };
    let signals = Signals::new(&live.busy)?;
    let ready = Ready { protocol: WORKER_PROTOCOL, slots, ahead: 0, tasks, stack_signals: Vec::new() };
    write_ready(&mut live.out, number, process::id(), &ready);
    live.live(reader, news, signals).await
}

/// The signals that a worker knows.
struct Signals {
    cancel: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// `busy`: while it is set, SIGTERM and SIGINT do what they do to any program.
    fn new(busy: &Arc<AtomicBool>) -> io::Result<Self> {
        for number in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register_conditional_default(number, Arc::clone(busy))?;
        }
        Ok(Self {
            cancel: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// What became of the service, as far as writing to it tells.
enum Service {
    Here,
    Gone,
}

impl Service {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

struct Live {
    number: u32,
    shared: Arc<Shared>,
    channel: Watched,
    /// What the socket did not take yet.
    out: Vec<u8>,
    runs: HashMap<RunId, TaskContext>,
    last_run: RunId,
    questions: HashMap<u64, Answer>,
    asked: u64,
    /// When cancel frames were read whose signals have not come.
    excused: VecDeque<Instant>,
    /// When runs that tell of themselves are heard next; none, if none has.
    progress_due: Option<Instant>,
    /// Whether more may come from the service.
    is_open: bool,
    is_told_to_stop: bool,
    leaves_by_signal: bool,
    /// Whether a task runs, for the signal handlers.
    busy: Arc<AtomicBool>,
}

impl Live {
    async fn live(
        &mut self,
        mut reader: ServiceReader,
        mut news: mpsc::UnboundedReceiver<News>,
        mut signals: Signals,
    ) -> Result<(), WorkerError> {
        let mut heard = Vec::with_capacity(BATCH);
        // What came with the setup.
        self.take(&mut reader)?;
        while !self.is_over() {
            if self.flush()?.is_gone() {
                return Ok(());
            }
            let due = self.progress_due.map(tokio::time::Instant::from_std);
            tokio::select! {
                biased;
                _ = signals.cancel.recv() => self.signalled(&mut reader)?,
                _ = signals.terminate.recv() => self.leave(),
                _ = signals.interrupt.recv() => self.leave(),
                _ = news.recv_many(&mut heard, BATCH) => heard.drain(..).for_each(|news| self.hear(news)),
                got = self.channel.read(&mut reader), if self.is_open => {
                    self.is_open = got? > 0;
                    self.take(&mut reader)?;
                    if !self.is_open && !self.leaves_by_signal {
                        // The service is gone, or has given this worker up: nobody waits for what still runs.
                        return Ok(());
                    }
                }
                () = self.channel.has_room(), if !self.out.is_empty() => {}
                () = at(due), if due.is_some() => self.tell_progress(),
            }
        }
        write_shutdown(&mut self.out, self.number);
        while !self.flush()?.is_gone() && !self.out.is_empty() {
            self.channel.has_room().await;
        }
        Ok(())
    }

    /// Whether it is time to go, in good order.
    fn is_over(&self) -> bool {
        let told_all = self.is_told_to_stop || (self.leaves_by_signal && !self.is_open);
        told_all && self.runs.is_empty()
    }

    fn is_leaving(&self) -> bool {
        self.is_told_to_stop || self.leaves_by_signal
    }

    /// Writes what there is to be said, as far as there is room.
    fn flush(&mut self) -> Result<Service, WorkerError> {
        match self.channel.send(&mut self.out) {
            Ok(()) => Ok(Service::Here),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                Ok(Service::Gone)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A signal asks to leave: what has reached this worker is run, what the service writes from now on fails.
    fn leave(&mut self) {
        self.channel.close_for_reading();
        self.leaves_by_signal = true;
    }

    fn take(&mut self, reader: &mut ServiceReader) -> Result<(), WorkerError> {
        while let Some(frame) = reader.next_frame()? {
            match frame {
                ServiceFrame::Run(frame) => self.begin(frame),
                ServiceFrame::Cancel { uuid, .. } => {
                    self.excused.push_back(Instant::now());
                    self.runs
                        .values()
                        .filter(|run| run.uuid() == uuid)
                        .for_each(|run| run.cancellation().cancel());
                }
                ServiceFrame::Reply { id, data } => {
                    // Nobody may wait for it any more.
                    let _ = self.questions.remove(&id).map(|answer| answer.send(data));
                }
                ServiceFrame::Stop => self.is_told_to_stop = true,
                ServiceFrame::Setup(_) => debug!("a second setup frame is ignored"),
                ServiceFrame::Unknown(event) => debug!(event, "a frame of an unknown kind is ignored"),
            }
        }
        Ok(())
    }

    fn begin(&mut self, mut frame: Box<RunFrame>) {
        self.last_run += 1;
        self.busy.store(true, Ordering::SeqCst);
        let info = RunInfo {
            uuid: std::mem::take(&mut frame.message.uuid),
            task: frame.message.task.clone(),
            queue: std::mem::take(&mut frame.message.channel),
            attempt: frame.attempt,
            worker_id: self.number,
        };
        let host = Arc::clone(&self.shared.hand);
        let context = TaskContext::new(info, CancellationToken::new(), host);
        self.runs.insert(self.last_run, context.clone());
        tokio::spawn(run(self.last_run, frame, context, Arc::clone(&self.shared)));
    }

    /// SIGUSR1 has come. Each cancel frame excuses one; if there is none, all that ran when it came is meant.
    fn signalled(&mut self, reader: &mut ServiceReader) -> Result<(), WorkerError> {
        let meant: Vec<_> = self.runs.values().map(|run| run.cancellation().clone()).collect();
        loop {
            match self.channel.read_now(reader) {
                // The end is seen by whoever reads next.
                Ok(0) => break,
                Ok(_) => self.take(reader)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        while self.excused.front().is_some_and(|read| read.elapsed() > EXCUSE) {
            self.excused.pop_front();
        }
        if self.excused.pop_front().is_none() {
            meant.iter().for_each(CancellationToken::cancel);
        }
        Ok(())
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Ended(id, ending) => self.ended(id, &ending),
            News::Asked { command, data, answer } => self.ask(&command, &data, answer),
            News::Progress => self.progress_due = Some(Instant::now() + PROGRESS),
        }
    }

    fn ended(&mut self, id: RunId, ending: &Ending) {
        let Some(context) = self.runs.remove(&id) else { return };
        if self.runs.is_empty() {
            self.busy.store(false, Ordering::SeqCst);
        }
        let done = Finished {
            worker: self.number,
            uuid: context.uuid(),
            outcome: ending.outcome,
            time_started: ending.started,
            time_finish: ending.finished,
            result: ending.result.as_deref(),
            error: ending.error.as_ref(),
            is_stopping: self.is_leaving(),
        };
        write_done(&mut self.out, &done);
    }

    fn ask(&mut self, command: &str, data: &Map<String, Value>, answer: Answer) {
        self.questions.retain(|_, answer| !answer.is_closed());
        self.asked += 1;
        self.questions.insert(self.asked, answer);
        write_control(&mut self.out, self.number, self.asked, command, data);
    }

    /// A service that does not read what it was told is not told more.
    fn tell_progress(&mut self) {
        if !self.out.is_empty() {
            self.progress_due = Some(Instant::now() + PROGRESS);
            return;
        }
        self.progress_due = None;
        let told = self.shared.hand.take_progress();
        for run in self.runs.values() {
            if let Some(progress) = told.get(run.uuid()) {
                write_progress(&mut self.out, self.number, run.uuid(), progress);
            }
        }
    }
}

/// That moment; for ever without one.
async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

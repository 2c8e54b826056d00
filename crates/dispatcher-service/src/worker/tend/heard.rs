//! What a worker says, read and passed on.
//!
//! A frame that cannot be read, or that is of another version of the protocol, is the end of its worker. News for the engine
//! that came together goes to the driver together.

use std::io;

use dispatcher_engine::Input;
use dispatcher_protocol::{Ready, WORKER_PROTOCOL, WorkerFrame};
use tracing::{debug, warn};

use super::{Line, Memory, READ, Tender};
use crate::inbox::Inbox;

impl Tender {
    /// Takes in what was read.
    pub(super) async fn take_in(&mut self, got: io::Result<usize>) -> Line {
        match got {
            Ok(0) => {
                return match self.reader.finish() {
                    Ok(()) => Line::Closed,
                    Err(error) => Line::Broken(error.to_string()),
                };
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Line::Closed,
            Err(error) => return Line::Broken(format!("its channel failed: {error}")),
        }
        let line = loop {
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    if let Err(why) = self.heard(frame).await {
                        break Line::Broken(why);
                    }
                }
                Ok(None) => break Line::Open,
                Err(error) => break Line::Broken(error.to_string()),
            }
        };
        self.pass_on().await;
        line
    }

    /// What a worker said before it died still counts.
    pub(super) async fn read_rest(&mut self) {
        loop {
            let got = self.channel.read_now(self.reader.space(READ));
            if !matches!(got, Ok(count) if count > 0) || !matches!(self.take_in(got).await, Line::Open) {
                return;
            }
        }
    }

    /// Gives the driver what is gathered for the engine.
    async fn pass_on(&mut self) {
        let news = match self.news.len() {
            0 => return,
            1 => self.news.pop().map(Inbox::Engine),
            more => Some(Inbox::Many(std::mem::replace(&mut self.news, Vec::with_capacity(more)))),
        };
        if let Some(news) = news {
            self.report(news).await;
        }
    }

    /// The error says why the worker is of no more use.
    async fn heard(&mut self, frame: WorkerFrame) -> Result<(), String> {
        let worker = self.worker;
        let input = match frame {
            WorkerFrame::Done(done) => {
                self.again.ended(&done.uuid);
                // Said before the end of the task is, so that a worker that holds too much is not given the next one.
                if let Some(resident) = self.memory.as_ref().and_then(Memory::resident) {
                    self.news.push(Input::WorkerMemory { worker, resident });
                }
                Input::TaskDone { worker, done }
            }
            WorkerFrame::Progress { uuid, progress } => Input::TaskProgress { worker, uuid, progress },
            WorkerFrame::Started { uuid } => Input::TaskStarted { worker, uuid },
            WorkerFrame::Ready(ready) => self.ready(ready)?,
            WorkerFrame::Control { id, command, data } => {
                self.pass_on().await;
                self.report(Inbox::Control { worker, id, command, data }).await;
                return Ok(());
            }
            WorkerFrame::Shutdown => {
                self.pass_on().await;
                self.tell_unbegun(Vec::new()).await;
                return Ok(());
            }
            WorkerFrame::Unknown(event) => {
                debug!(target: "dispatcher.pool", worker = worker.0, event, "frame of an unknown kind ignored");
                return Ok(());
            }
        };
        self.news.push(input);
        Ok(())
    }

    fn ready(&mut self, ready: Ready) -> Result<Input, String> {
        if ready.protocol != WORKER_PROTOCOL {
            return Err(format!(
                "it speaks version {} of the worker protocol and this service version {WORKER_PROTOCOL}: take a service \
                 and a worker that fit together",
                ready.protocol
            ));
        }
        // Without tickets nothing could be taken back, so nothing is handed out early.
        let ahead = if self.tickets.is_some() { ready.ahead } else { 0 };
        if !self.stack.announce(&ready.stack_signals) {
            warn!(target: "dispatcher.pool", worker = self.worker.0, "one of its stack_signals is none that is ever sent");
        }
        Ok(Input::WorkerReady { worker: self.worker, slots: ready.slots, ahead, tasks: ready.tasks })
    }
}

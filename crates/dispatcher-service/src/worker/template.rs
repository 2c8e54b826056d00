//! The fork server: a preloaded, single-threaded Python process that makes the workers.
//!
//! One task owns it. A request to fork starts it when it is not there, so a fork server that died, or whose
//! preloaded modules failed to import, is tried again as often as the engine asks for workers and no oftener.
//! Workers do not depend on it once they run: their channels lead to the service.
//!
//! Never decides how many workers there are; never speaks with a worker.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::confinement::Confinement;
use super::packet::Packets;
use super::process::Process;
use super::refusal::Refusal;
use super::stopped::Stopped;

/// How long a fork server may take to end the last processes below it once it is told to go.
const END_WAIT: Duration = Duration::from_secs(5);

/// Asks for one worker process.
#[derive(Debug)]
pub(crate) struct ForkRequest {
    pub(crate) worker: u32,
    /// The worker's channel, the reading end of its tickets, the reading end of the lifeline, and the writing end of its
    /// stack pipe.
    pub(crate) fds: [OwnedFd; 4],
    /// Where the worker writes itself in to be in its control group, and whether it may not live without.
    pub(crate) group: Option<(OwnedFd, bool)>,
    pub(crate) answer: oneshot::Sender<Result<Process, Refusal>>,
}

/// How to start the fork server.
#[derive(Debug, Clone)]
pub(crate) struct TemplateCommand {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    /// The first packet: configuration, modules to preload, log settings, worker settings.
    pub(crate) setup: String,
    pub(crate) confinement: Confinement,
}

/// What a fork server says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Report {
    Ready {
        pid: i32,
    },
    Forked {
        worker: u32,
        pid: i32,
    },
    ForkFailed {
        worker: u32,
        error: String,
        #[serde(default)]
        shortage: bool,
    },
    Exited {
        worker: u32,
        status: i32,
    },
    Stopped {
        worker: u32,
    },
    Continued {
        worker: u32,
    },
    Failed {
        error: String,
        #[serde(default)]
        trace: Vec<String>,
    },
    #[serde(other)]
    Unknown,
}

/// Serves fork requests until their channel closes, then ends the fork server and what is left below it.
pub(crate) async fn run(command: TemplateCommand, mut requests: mpsc::UnboundedReceiver<ForkRequest>) {
    while let Some(first) = requests.recv().await {
        match Template::start(&command).await {
            Ok(mut template) => {
                template.fork(first).await;
                template.serve(&mut requests).await;
                template.end().await;
            }
            Err(why) => {
                let _ = first.answer.send(Err(why.clone()));
                while let Ok(waiting) = requests.try_recv() {
                    let _ = waiting.answer.send(Err(why.clone()));
                }
            }
        }
    }
}

/// A running fork server.
struct Template {
    child: Child,
    packets: Packets,
    /// Asked for and not yet answered.
    asked: HashMap<u32, oneshot::Sender<Result<Process, Refusal>>>,
    /// Where the exit status of each living worker is waited for.
    living: HashMap<u32, oneshot::Sender<i32>>,
    stopped: Stopped,
}

impl Template {
    /// Starts the process and waits until its modules are loaded.
    async fn start(command: &TemplateCommand) -> Result<Self, Refusal> {
        let say = |error: io::Error| {
            let why =
                format!("cannot start the fork server '{}': {error}", command.program.to_string_lossy());
            Refusal::of(&error, why)
        };
        let (packets, theirs) = Packets::pair().map_err(say)?;
        let mut step =
            command.confinement.command(&command.program, &command.args, false, None).map_err(say)?;
        let child = step.stdin(Stdio::from(theirs)).spawn().map_err(say)?;
        // It holds the other end as long as it is there.
        drop(step);
        let mut template = Self {
            child,
            packets,
            asked: HashMap::new(),
            living: HashMap::new(),
            stopped: Stopped::default(),
        };
        template.packets.send(command.setup.as_bytes(), &[]).await.map_err(say)?;
        match template.next_report().await {
            Ok(Some((Report::Ready { pid }, _))) => {
                debug!(target: "dispatcher.pool", pid, "the fork server is ready");
                Ok(template)
            }
            Ok(Some((Report::Failed { error, trace }, _))) => {
                for line in trace {
                    warn!(target: "dispatcher.pool", "{line}");
                }
                Err(format!("the fork server could not load its modules: {error}").into())
            }
            Ok(_) => Err(template.describe_end().await.into()),
            Err(error) => Err(say(error)),
        }
    }

    /// Forks workers and passes on reports until the requests or the fork server end.
    async fn serve(&mut self, requests: &mut mpsc::UnboundedReceiver<ForkRequest>) {
        loop {
            let overdue = self.stopped.overdue();
            tokio::select! {
                () = overdue => self.stopped.tell(),
                request = requests.recv() => match request {
                    Some(request) => self.fork(request).await,
                    None => return,
                },
                report = self.next_report() => match report {
                    Ok(Some((report, fds))) => self.take(report, fds),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        warn!(target: "dispatcher.pool", %error, "unreadable report from the fork server");
                    }
                    Ok(None) | Err(_) => {
                        let how = self.describe_end().await;
                        warn!(target: "dispatcher.pool", "{how}; its workers go on and a new one is started when needed");
                        return;
                    }
                },
            }
        }
    }

    async fn fork(&mut self, request: ForkRequest) {
        let mut packet = json!({"event": "fork", "worker": request.worker});
        let mut fds: Vec<_> = request.fds.iter().map(AsFd::as_fd).collect();
        if let Some((entrance, required)) = &request.group {
            packet["group"] = json!(if *required { "required" } else { "auto" });
            fds.push(entrance.as_fd());
        }
        match self.packets.send(packet.to_string().as_bytes(), &fds).await {
            Ok(()) => {
                self.asked.insert(request.worker, request.answer);
            }
            Err(error) => {
                let _ = request
                    .answer
                    .send(Err(Refusal::of(&error, format!("the fork server does not answer: {error}"))));
            }
        }
    }

    fn take(&mut self, report: Report, mut fds: Vec<OwnedFd>) {
        match report {
            Report::Forked { worker, pid } => self.forked(worker, pid, fds.pop()),
            Report::ForkFailed { worker, error, shortage } => {
                if let Some(answer) = self.asked.remove(&worker) {
                    let _ = answer.send(Err(Refusal::new(format!("fork failed: {error}"), shortage)));
                }
            }
            Report::Exited { worker, status } => {
                self.stopped.ended(worker);
                if let Some(waiting) = self.living.remove(&worker) {
                    let _ = waiting.send(status);
                }
            }
            Report::Stopped { worker } => self.stopped.stops(worker),
            Report::Continued { worker } => self.stopped.goes_on(worker),
            Report::Ready { .. } | Report::Failed { .. } | Report::Unknown => {
                debug!(target: "dispatcher.pool", ?report, "report of the fork server ignored");
            }
        }
    }

    fn forked(&mut self, worker: u32, pid: i32, pidfd: Option<OwnedFd>) {
        let Some(answer) = self.asked.remove(&worker) else { return };
        let (status, waiting) = oneshot::channel();
        let process = pidfd
            // The kernel leaves it out when there is no room for it here.
            .ok_or_else(|| Refusal::new("no pid file descriptor came from the fork server".to_owned(), true))
            .and_then(|pidfd| {
                Process::forked(pid, pidfd, waiting).map_err(|error| Refusal::of(&error, error.to_string()))
            });
        self.living.insert(worker, status);
        if let Err(Ok(mut unwanted)) = answer.send(process) {
            // Whoever asked has been told to stop meanwhile.
            unwanted.kill_tree();
        }
    }

    async fn next_report(&mut self) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
        match self.packets.receive().await? {
            Some((packet, fds)) => Ok(Some((
                serde_json::from_slice(packet)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?,
                fds,
            ))),
            None => Ok(None),
        }
    }

    /// How the process ended, in words; ends it if it only closed its socket.
    async fn describe_end(&mut self) -> String {
        if tokio::time::timeout(END_WAIT, self.child.wait()).await.is_err() {
            let _ = self.child.start_kill();
        }
        match self.child.wait().await {
            Ok(status) => format!("the fork server ended ({status})"),
            Err(error) => format!("the fork server ended ({error})"),
        }
    }

    /// Closes the socket, which tells the fork server to end all that is below it, and waits for that.
    async fn end(self) {
        let Self { mut child, packets, asked, .. } = self;
        drop(packets);
        for (_, answer) in asked {
            let _ = answer.send(Err("the fork server ended".into()));
        }
        if tokio::time::timeout(END_WAIT, child.wait()).await.is_err() {
            info!(target: "dispatcher.pool", "the fork server did not end in time and is killed");
            let _ = child.kill().await;
        }
    }
}

//! Makes one worker: its channel, its tickets, and its process, by the fork server or by a command.
//!
//! The lifeline lives here: a pipe whose writing end only the service holds and nobody ever writes to. Its
//! reading end tells every worker, through the kernel, that the service is gone.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pipe::PipeFlags;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use super::channel::Channel;
use super::process::Process;
use super::template::ForkRequest;
use super::tickets::Tickets;

/// The variable that tells a worker started by a command its number.
pub(crate) const WORKER_ID: &str = "DISPATCHER_WORKER_ID";

/// How workers come to be.
#[derive(Debug)]
pub(crate) enum Means {
    /// Forked from a preloaded template.
    Template(mpsc::UnboundedSender<ForkRequest>),
    /// Each started by itself; `setup` is the first line it reads.
    Command { program: OsString, args: Vec<OsString>, setup: String },
}

/// A worker that exists but has not yet said that it is ready.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) channel: Channel,
    /// `None` for a worker that cannot be handed tasks early.
    pub(crate) tickets: Option<Tickets>,
    pub(crate) process: Process,
}

/// Makes workers.
#[derive(Debug)]
pub(crate) struct Launcher {
    means: Means,
    /// The reading end that each forked worker gets a copy of.
    lifeline: OwnedFd,
    /// Held, never written: its closing is the message.
    _held: OwnedFd,
}

impl Launcher {
    pub(crate) fn new(means: Means) -> io::Result<Self> {
        let (lifeline, held) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Self { means, lifeline, _held: held })
    }

    /// Makes the process of this worker. The error is a sentence for the log.
    pub(crate) async fn launch(&self, worker: u32) -> Result<Launched, String> {
        match &self.means {
            Means::Template(requests) => self.fork(worker, requests).await,
            Means::Command { program, args, setup } => spawn(worker, program, args, setup),
        }
    }

    async fn fork(
        &self,
        worker: u32,
        requests: &mpsc::UnboundedSender<ForkRequest>,
    ) -> Result<Launched, String> {
        let say = |error: io::Error| format!("cannot make the worker's channel: {error}");
        let (ours, theirs) = Channel::pair().map_err(say)?;
        let (tickets, worker_tickets) = Tickets::new().map_err(say)?;
        let lifeline = self.lifeline.try_clone().map_err(say)?;
        let (answer, answered) = oneshot::channel();
        let request = ForkRequest { worker, fds: [theirs, worker_tickets, lifeline], answer };
        requests.send(request).map_err(|_| "the fork server is being stopped".to_owned())?;
        let process = answered.await.map_err(|_| "the fork server is being stopped".to_owned())??;
        Ok(Launched { channel: ours, tickets: Some(tickets), process })
    }
}

/// Starts a worker program with its channel as standard input.
fn spawn(worker: u32, program: &OsString, args: &[OsString], setup: &str) -> Result<Launched, String> {
    let say = |error: io::Error| {
        format!(
            "cannot start the worker command '{}': {error}; see worker.command in the configuration",
            program.to_string_lossy()
        )
    };
    let (mut channel, theirs) = Channel::pair().map_err(say)?;
    let child = Command::new(program)
        .args(args)
        .env(WORKER_ID, worker.to_string())
        .stdin(Stdio::from(theirs))
        .spawn()
        .map_err(say)?;
    let mut first = setup.as_bytes().to_vec();
    channel.send(&mut first).map_err(say)?;
    if !first.is_empty() {
        return Err("the configuration is too long for a worker's channel".to_owned());
    }
    let process = Process::own(child).map_err(say)?;
    Ok(Launched { channel, tickets: None, process })
}

//! Makes one worker: its channel, its tickets, its stack pipe, and its process, by the fork server or by a command.
//!
//! The lifeline lives here: a pipe whose writing end only the service holds and nobody ever writes to. Its
//! reading end tells every worker, through the kernel, that the service is gone.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use dispatcher_engine::Exit;
use rustix::fs::Uid;
use rustix::pipe::PipeFlags;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::cgroup::{GroupUse, Groups, Leaf};
use super::channel::Channel;
use super::confinement::Confinement;
use super::keeper::{Keeper, MARK};
use super::memory::Memory;
use super::orphans::Orphans;
use super::process::Process;
use super::refusal::Refusal;
use super::shortage::MemoryKills;
use super::stack::StackPipe;
use super::template::ForkRequest;
use super::tickets::Tickets;

/// The variable that tells a worker started by a command its number.
pub(crate) const WORKER_ID: &str = "DISPATCHER_WORKER_ID";

/// How workers come to be.
#[derive(Debug)]
pub(crate) enum Means {
    /// Forked from a preloaded template.
    Template(mpsc::UnboundedSender<ForkRequest>),
    /// Each started by itself.
    Command(Box<Program>),
}

/// A program that is a worker, and what is started of it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) file: OsString,
    pub(crate) args: Vec<OsString>,
    /// The first line it reads.
    pub(crate) setup: String,
    pub(crate) confinement: Confinement,
}

/// A worker that exists but has not yet said that it is ready.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) channel: Channel,
    /// `None` for a worker that cannot be handed tasks early.
    pub(crate) tickets: Option<Tickets>,
    pub(crate) process: Process,
    /// `None` when nobody wants to know.
    pub(crate) memory: Option<Memory>,
    pub(crate) stack: StackPipe,
}

/// The process that the service is in.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// It is there for the service alone, so every child of it is ours.
    pub(crate) alone: bool,
    /// The program that stands between us and workers; none is our own.
    pub(crate) step: Option<PathBuf>,
}

/// What the workers of all pools have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where each worker gets a control group of its own.
    groups: Option<Groups>,
    /// For workers that are programs of their own.
    orphans: Option<Arc<Orphans>>,
    keeper: Option<Keeper>,
}

impl Shared {
    /// `programs`: some workers are programs of their own.
    pub(crate) fn new(groups: Option<Groups>, programs: bool, ground: &Ground) -> io::Result<Self> {
        let orphans = (programs && ground.alone).then(Orphans::adopt).transpose()?;
        let folder = groups.as_ref().map(Groups::folder);
        let keeper = programs.then(|| Keeper::start(folder, ground.step.as_deref())).transpose()?;
        Ok(Self { groups, orphans, keeper })
    }
}

/// Makes the workers of one pool.
#[derive(Debug)]
pub(crate) struct Launcher {
    means: Means,
    shared: Arc<Shared>,
    /// None when its workers are to have no control groups.
    group_use: Option<GroupUse>,
    memory_kills: MemoryKills,
    /// The reading end that each forked worker gets a copy of.
    lifeline: OwnedFd,
    /// Whether somebody wants to know how much memory workers hold.
    watches_memory: bool,
    /// Held, never written: its closing is the message.
    _held: OwnedFd,
}

impl Launcher {
    /// `owner` is the user that workers run as, if it is not our own: each opens its lifeline anew.
    pub(crate) fn new(
        means: Means,
        owner: Option<u32>,
        shared: &Arc<Shared>,
        group_use: Option<GroupUse>,
    ) -> io::Result<Self> {
        let (lifeline, held) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        if let Some(uid) = owner {
            rustix::fs::fchown(&lifeline, Some(Uid::from_raw(uid)), None)?;
        }
        let memory_kills = MemoryKills::new("/proc/vmstat");
        let shared = Arc::clone(shared);
        Ok(Self { means, shared, group_use, memory_kills, lifeline, watches_memory: false, _held: held })
    }

    /// Whether somebody wants to know how much memory its workers hold.
    pub(crate) fn watching_memory(self, watches_memory: bool) -> Self {
        Self { watches_memory, ..self }
    }

    /// What has to be looked after for as long as there are workers; the same for all pools.
    pub(crate) fn orphans(&self) -> Option<Arc<Orphans>> {
        self.shared.orphans.clone()
    }

    /// The same, for workers that are programs of their own.
    fn own_orphans(&self) -> Option<&Arc<Orphans>> {
        self.shared.orphans.as_ref().filter(|_| matches!(self.means, Means::Command(_)))
    }

    /// Makes the process of this worker. The error is a sentence for the log.
    pub(crate) async fn launch(&self, worker: u32) -> Result<Launched, Refusal> {
        let leaf = self.leaf(worker)?;
        self.memory_kills.risen();
        let made = match &self.means {
            Means::Template(requests) => self.fork(worker, requests, leaf.as_ref()).await,
            Means::Command(program) => program.spawn(
                worker,
                self.mark(),
                leaf.as_ref().map(|leaf| (leaf.procs(), self.needs_groups())),
            ),
        }?;
        if let Some(orphans) = self.own_orphans() {
            orphans.born(made.process.pid(), worker);
        }
        let memory = self.watches_memory.then(|| Memory::of(made.process.pid())).flatten();
        Ok(Launched { process: made.process.within(leaf), memory, ..made })
    }

    /// What worker programs carry in their environment.
    fn mark(&self) -> &str {
        self.shared.keeper.as_ref().map_or("", |keeper| keeper.mark.as_str())
    }

    /// Whether no worker may be without a control group.
    fn needs_groups(&self) -> bool {
        self.group_use.as_ref().is_some_and(|wanted| wanted.required)
    }

    /// A control group for this worker. Where it is not asked for, a worker without one is better than none.
    fn leaf(&self, worker: u32) -> Result<Option<Leaf>, Refusal> {
        let Some((groups, wanted)) = self.shared.groups.as_ref().zip(self.group_use.as_ref()) else {
            return Ok(None);
        };
        match groups.leaf(worker, &wanted.bounds) {
            Ok(leaf) => Ok(Some(leaf)),
            Err(error) if wanted.required => {
                Err(Refusal::of(&error, format!("cannot make its control group: {error}")))
            }
            Err(error) => {
                warn!(target: "dispatcher.pool", worker, %error, "cannot make its control group; it has none");
                Ok(None)
            }
        }
    }

    /// How a process ended, as far as more is known than its wait status says.
    pub(crate) fn explain(&self, exit: Exit, process: &Process) -> Exit {
        if let Some(orphans) = self.own_orphans() {
            orphans.gone(process.pid());
        }
        process.explain(exit, &self.memory_kills)
    }

    async fn fork(
        &self,
        worker: u32,
        requests: &mpsc::UnboundedSender<ForkRequest>,
        leaf: Option<&Leaf>,
    ) -> Result<Launched, Refusal> {
        let say =
            |error: io::Error| Refusal::of(&error, format!("cannot make the worker's channel: {error}"));
        let (ours, theirs) = Channel::pair().map_err(say)?;
        let (tickets, worker_tickets) = Tickets::new().map_err(say)?;
        let lifeline = self.lifeline.try_clone().map_err(say)?;
        let (stack, worker_stack) = StackPipe::new().map_err(say)?;
        let required = self.needs_groups();
        let entrance = leaf.map(Leaf::entrance).transpose().map_err(say)?;
        let group = entrance.map(|entrance| (entrance, required));
        let (answer, answered) = oneshot::channel();
        let fds = [theirs, worker_tickets, lifeline, worker_stack];
        let request = ForkRequest { worker, fds, group, answer };
        requests.send(request).map_err(|_| "the fork server is being stopped")?;
        let process = answered.await.map_err(|_| "the fork server is being stopped")??;
        Ok(Launched { channel: ours, tickets: Some(tickets), process, memory: None, stack })
    }
}

impl Program {
    /// Starts it with its channel as standard input.
    fn spawn(&self, worker: u32, mark: &str, procs: Option<(PathBuf, bool)>) -> Result<Launched, Refusal> {
        let say = |error: io::Error| {
            let why = format!(
                "cannot start the worker command '{}': {error}; see worker.command in the configuration",
                self.file.to_string_lossy()
            );
            Refusal::of(&error, why)
        };
        let (mut channel, theirs) = Channel::pair().map_err(say)?;
        let (stack, worker_stack) = StackPipe::new().map_err(say)?;
        let mut command = self.confinement.command(&self.file, &self.args, true, procs).map_err(say)?;
        let child = command
            .env(WORKER_ID, worker.to_string())
            .env(MARK, mark)
            .stdin(Stdio::from(theirs))
            .spawn()
            .map_err(say)?;
        // It holds the other end as long as it is there.
        drop(command);
        let mut first = self.setup.as_bytes().to_vec();
        channel.send_with(&mut first, worker_stack.as_fd()).map_err(say)?;
        if !first.is_empty() {
            return Err("the configuration is too long for a worker's channel".into());
        }
        let process = Process::own(child).map_err(say)?;
        Ok(Launched { channel, tickets: None, process, memory: None, stack })
    }
}

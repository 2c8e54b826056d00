//! One worker process as the service holds it: a pid file descriptor, and how its end becomes known.
//!
//! Signals go through the file descriptor, so they can never reach a stranger that was given the same number.
//! Never reads or writes the worker's channel (that is `tend`).

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dispatcher_engine::Exit;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::sync::oneshot;

use super::cgroup::Leaf;
use super::descendants;
use super::shortage::MemoryKills;
use super::watched::watch;

/// How long the fork server may take to report the exit status of a worker that is seen to be gone. It does so
/// in well under a millisecond unless it has died itself, in which case the status is lost.
const STATUS_WAIT: Duration = Duration::from_secs(1);

/// How often a hard kill looks again for processes that were started meanwhile.
const KILL_ROUNDS: usize = 5;

/// A living worker process.
pub(crate) struct Process {
    pid: i32,
    pidfd: Arc<AsyncFd<OwnedFd>>,
    /// Made once and kept: a wait that is begun anew at every turn of its owner's loop costs more than the turn.
    exit: Pin<Box<dyn Future<Output = Exit> + Send + Sync>>,
    /// Its control group, if it has one; all that is in it ends with this.
    leaf: Option<Leaf>,
    /// We have sent SIGKILL ourselves.
    killed: bool,
}

impl Process {
    /// A process that the fork server made; `pidfd` came from it, opened before it could be reaped.
    pub(crate) fn forked(pid: i32, pidfd: OwnedFd, status: oneshot::Receiver<i32>) -> io::Result<Self> {
        let pidfd = Arc::new(watch(pidfd, Interest::READABLE)?);
        let exit = Box::pin(reported(Arc::clone(&pidfd), status));
        Ok(Self { pid, pidfd, exit, leaf: None, killed: false })
    }

    /// A process that we spawned ourselves.
    pub(crate) fn own(mut child: Child) -> io::Result<Self> {
        let number = child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = number.and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        let pidfd = Arc::new(watch(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)?);
        let exit = Box::pin(async move {
            match child.wait().await {
                Ok(status) => exit_of(std::os::unix::process::ExitStatusExt::into_raw(status)),
                Err(_) => Exit::Unknown,
            }
        });
        Ok(Self { pid: pid.as_raw_pid(), pidfd, exit, leaf: None, killed: false })
    }

    /// With the control group that it is in.
    pub(crate) fn within(mut self, leaf: Option<Leaf>) -> Self {
        self.leaf = leaf;
        self
    }

    /// How it ended, as far as more is known than its wait status says.
    pub(crate) fn explain(&self, exit: Exit, kills: &MemoryKills) -> Exit {
        // Looked at whatever the exit is, so that an old kill is not taken for a later one.
        let somewhere = kills.risen();
        if exit != Exit::Signal(Signal::KILL.as_raw()) || self.killed {
            return exit;
        }
        let certain = self.leaf.as_ref().is_some_and(Leaf::out_of_memory);
        if certain || somewhere { Exit::OutOfMemory { certain } } else { exit }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// The kernel's letter for what it is doing; none when it is gone.
    pub(crate) fn state(&self) -> Option<char> {
        descendants::status(self.pid).map(|(state, _)| state)
    }

    /// Sends a signal; a process that is gone already is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        // The only other failure is a missing right, which cannot be mended here; the ladder goes on.
        let _ = pidfd_send_signal(self.pidfd.as_fd(), signal);
    }

    /// Ends the process and everything below it, whatever they are doing.
    pub(crate) fn kill_tree(&mut self) {
        self.killed = true;
        if let Some(leaf) = &self.leaf {
            leaf.kill();
        }
        // Stopped first, so that it starts nothing more while its children are being found.
        self.signal(Signal::STOP);
        for _ in 0..KILL_ROUNDS {
            let below = descendants::of(self.pid);
            if below.is_empty() {
                break;
            }
            for pid in below.into_iter().filter_map(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        self.signal(Signal::KILL);
    }

    /// Waits for the end. May be dropped and asked for again, but not after it has given the answer.
    pub(crate) fn exited(&mut self) -> Pin<&mut (dyn Future<Output = Exit> + Send + Sync)> {
        self.exit.as_mut()
    }
}

/// The end of a process whose parent is the fork server.
async fn reported(pidfd: Arc<AsyncFd<OwnedFd>>, status: oneshot::Receiver<i32>) -> Exit {
    // A pid file descriptor becomes readable when its process ends.
    let _ = pidfd.readable().await;
    match tokio::time::timeout(STATUS_WAIT, status).await {
        Ok(Ok(raw)) => exit_of(raw),
        Ok(Err(_)) | Err(_) => Exit::Unknown,
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({})", self.pid)
    }
}

/// Reads a raw wait status.
fn exit_of(raw: i32) -> Exit {
    let status = <std::process::ExitStatus as std::os::unix::process::ExitStatusExt>::from_raw(raw);
    match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

//! One worker process as the service holds it: a pid file descriptor, and how its end becomes known.
//!
//! Signals go through the file descriptor, so they can never reach a stranger that was given the same number.
//! Never reads or writes the worker's channel (that is `tend`).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use dispatcher_engine::Exit;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::sync::oneshot;

use super::descendants;
use super::watched::watch;

/// How long the fork server may take to report the exit status of a worker that is seen to be gone. It does so
/// in well under a millisecond unless it has died itself, in which case the status is lost.
const STATUS_WAIT: Duration = Duration::from_secs(1);

/// How often a hard kill looks again for processes that were started meanwhile.
const KILL_ROUNDS: usize = 5;

/// A living worker process.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    pidfd: AsyncFd<OwnedFd>,
    ending: Ending,
}

/// Who learns the exit status.
#[derive(Debug)]
enum Ending {
    /// The process is our own child.
    Own(Box<Child>),
    /// The fork server is its parent and sends the raw wait status.
    Reported(oneshot::Receiver<i32>),
}

impl Process {
    /// A process that the fork server made; `pidfd` came from it, opened before it could be reaped.
    pub(crate) fn forked(pid: i32, pidfd: OwnedFd, status: oneshot::Receiver<i32>) -> io::Result<Self> {
        let pidfd = watch(pidfd, Interest::READABLE)?;
        Ok(Self { pid, pidfd, ending: Ending::Reported(status) })
    }

    /// A process that we spawned ourselves.
    pub(crate) fn own(child: Child) -> io::Result<Self> {
        let number = child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = number.and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        let pidfd = watch(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)?;
        Ok(Self { pid: pid.as_raw_pid(), pidfd, ending: Ending::Own(Box::new(child)) })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal; a process that is gone already is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        // The only other failure is a missing right, which cannot be mended here; the ladder goes on.
        let _ = pidfd_send_signal(self.pidfd.as_fd(), signal);
    }

    /// Ends the process and everything below it, whatever they are doing.
    pub(crate) fn kill_tree(&self) {
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

    /// Waits for the end. Cancel-safe.
    pub(crate) async fn exited(&mut self) -> Exit {
        match &mut self.ending {
            Ending::Own(child) => match child.wait().await {
                Ok(status) => exit_of(std::os::unix::process::ExitStatusExt::into_raw(status)),
                Err(_) => Exit::Unknown,
            },
            Ending::Reported(status) => {
                // A pid file descriptor becomes readable when its process ends.
                let _ = self.pidfd.readable().await;
                match tokio::time::timeout(STATUS_WAIT, status).await {
                    Ok(Ok(raw)) => exit_of(raw),
                    Ok(Err(_)) | Err(_) => Exit::Unknown,
                }
            }
        }
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

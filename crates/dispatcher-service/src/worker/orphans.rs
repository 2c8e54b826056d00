//! What worker programs have left behind: processes that a task started and whose parents are gone.
//!
//! The fork server does this for the workers it forks (`leftovers.py`). For programs that we start ourselves we adopt such
//! processes: those of a worker that has ended are ended, told by its number in their environment; those that end by
//! themselves are buried. Never touches the workers, whose ends `process` waits for.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};
use tokio::signal::unix::{SignalKind, signal};

use super::descendants;
use super::launch::WORKER_ID;

/// How often the end of the service looks again for what was started meanwhile.
const END_ROUNDS: usize = 5;

/// Our living workers by their processes; every other child is an orphan that came here.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    workers: Mutex<HashMap<i32, u32>>,
}

impl Orphans {
    /// From here on, orphans below us come here.
    pub(crate) fn adopt() -> io::Result<Arc<Self>> {
        set_child_subreaper(Some(getpid()))?;
        Ok(Arc::default())
    }

    /// A worker has been started; said before anything is waited for.
    pub(crate) fn born(&self, pid: i32, worker: u32) {
        self.with(|workers| workers.insert(pid, worker));
    }

    /// A worker has ended and is buried.
    pub(crate) fn gone(&self, pid: i32) {
        self.with(|workers| workers.remove(&pid));
        self.sweep();
    }

    /// Looks after every child that ends, for as long as it is let.
    pub(crate) async fn look_after(self: Arc<Self>) {
        let Ok(mut ended) = signal(SignalKind::child()) else { return };
        while ended.recv().await.is_some() {
            self.sweep();
        }
    }

    /// Buries orphans that have ended, and ends those whose worker has.
    fn sweep(&self) {
        for pid in self.strangers() {
            let Some(process) = Pid::from_raw(pid) else { continue };
            if matches!(waitpid(Some(process), WaitOptions::NOHANG), Ok(None))
                && let Some(worker) = worker_of(pid)
                && !self.with(|workers| workers.values().any(|living| *living == worker))
            {
                end(pid);
            }
        }
    }

    fn strangers(&self) -> Vec<i32> {
        let all = children();
        self.with(|workers| all.into_iter().filter(|pid| !workers.contains_key(pid)).collect())
    }

    fn with<T>(&self, look: impl FnOnce(&mut HashMap<i32, u32>) -> T) -> T {
        look(&mut self.workers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Orphans {
    /// The service ends: every orphan with it, and what is below workers that are still there.
    fn drop(&mut self) {
        for _ in 0..END_ROUNDS {
            let left = children();
            if left.is_empty() {
                return;
            }
            left.into_iter().for_each(end);
        }
    }
}

/// Kills a process and everything below it.
fn end(pid: i32) {
    for process in descendants::of(pid).into_iter().chain([pid]).filter_map(Pid::from_raw) {
        let _ = kill_process(process, Signal::KILL);
    }
}

/// Our children, those of every thread.
fn children() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    texts
        .flat_map(|text| text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// The number of the worker that a process was started below.
fn worker_of(pid: i32) -> Option<u32> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{WORKER_ID}=");
    environment
        .split(|byte| *byte == 0)
        .find_map(|entry| std::str::from_utf8(entry.strip_prefix(prefix.as_bytes())?).ok()?.parse().ok())
}

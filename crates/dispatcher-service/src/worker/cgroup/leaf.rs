//! The control group of one worker.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::super::shortage;
use super::Bounds;

/// Microseconds that a share of the CPU is counted over; the kernel's own default.
const PERIOD: u64 = 100_000;

/// How long killed processes may take to be gone, between two looks and altogether.
const BURIAL_ROUND: Duration = Duration::from_millis(2);
const BURIAL_ROUNDS: u32 = 500;

/// A worker's group; when it is dropped, all that is in it ends.
#[derive(Debug)]
pub(crate) struct Leaf(Folder);

impl Leaf {
    /// Makes the group and sets its bounds.
    pub(super) fn make(folder: PathBuf, bounds: &Bounds) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        let leaf = Self(Folder(folder));
        let set = |name: &str, value: String| fs::write(leaf.0.0.join(name), value);
        if let Some(bytes) = bounds.memory {
            set("memory.max", bytes.to_string())?;
            // What is too large ends, and not the worker with it, if it is something that the worker has started.
            set("memory.oom.group", "0".to_owned())?;
        }
        if let Some(most) = bounds.pids {
            set("pids.max", most.to_string())?;
        }
        if let Some(cpus) = bounds.cpu {
            let quota = ((cpus * PERIOD as f64) as u64).max(1000);
            set("cpu.max", format!("{quota} {PERIOD}"))?;
        }
        Ok(leaf)
    }

    /// Where a process writes `0` to be in the group.
    pub(crate) fn procs(&self) -> PathBuf {
        self.0.procs()
    }

    /// The same, opened with our rights for a worker that has fewer.
    pub(crate) fn entrance(&self) -> io::Result<OwnedFd> {
        Ok(OpenOptions::new().write(true).open(self.procs())?.into())
    }

    /// Kills everything in the group, whatever it has done to get away.
    pub(crate) fn kill(&self) {
        self.0.kill();
    }

    /// Whether the kernel has killed something in the group for want of memory; never without a bound on it.
    pub(crate) fn out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.0.0.join("memory.events")).unwrap_or_default();
        shortage::count(&events).is_some_and(|kills| kills > 0)
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.0.kill();
        if self.0.remove() {
            return;
        }
        // The killed take a moment to be gone. Without a runtime the whole group is about to be removed.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let folder = Folder(std::mem::take(&mut self.0.0));
        runtime.spawn(async move {
            for _ in 0..BURIAL_ROUNDS {
                tokio::time::sleep(BURIAL_ROUND).await;
                folder.kill();
                if folder.remove() {
                    return;
                }
            }
        });
    }
}

/// The files of a worker's group.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    fn procs(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    pub(super) fn kill(&self) {
        let file = OpenOptions::new().write(true).open(self.0.join("cgroup.kill"));
        // Before Linux 5.14 there is no such file.
        if file.and_then(|mut file| file.write_all(b"1")).is_err() {
            let inside = fs::read_to_string(self.procs()).unwrap_or_default();
            for pid in inside.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Removes the group if it is empty; whether it is gone.
    pub(super) fn remove(&self) -> bool {
        fs::remove_dir(&self.0).is_ok() || !self.0.exists()
    }
}

/// The groups of workers below a folder.
pub(super) fn below(folder: &Path) -> impl Iterator<Item = Folder> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("worker-")))
        .map(|entry| Folder(entry.path()))
}

/// Whether there are any.
pub(super) fn any(folder: &Path) -> bool {
    below(folder).next().is_some()
}

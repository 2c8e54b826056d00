//! Control groups (version 2): one for each worker, so that its end is the end of all that it started, and its bounds hold for
//! all of that together.
//!
//! ```text
//!  the service's own group                    as the service manager made it
//!  └─ dispatcher-PID
//!     ├─ service                              only where limits are set: a group with limits below it has no processes itself
//!     ├─ worker-0
//!     └─ worker-1
//! ```
//!
//! Knows files below one folder, so that tests can give it any. Where it stands: `launch` asks it for a leaf, `tend` ends it.

mod leaf;
mod place;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{debug, warn};

pub(crate) use leaf::Leaf;

/// What the name of our group begins with; our process id follows.
const PREFIX: &str = "dispatcher-";

/// How long what is left in the groups may take to end when the service does.
const END_ROUNDS: u32 = 100;
const END_ROUND: Duration = Duration::from_millis(5);

/// What the processes of one worker may use together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// Bytes.
    pub(crate) memory: Option<u64>,
    pub(crate) pids: Option<u64>,
    /// CPUs.
    pub(crate) cpu: Option<f64>,
}

impl Bounds {
    /// Which of the kernel's controllers that takes.
    fn controllers(&self) -> Vec<&'static str> {
        let all =
            [("memory", self.memory.is_some()), ("pids", self.pids.is_some()), ("cpu", self.cpu.is_some())];
        all.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect()
    }
}

/// What the workers of a pool want of control groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupUse {
    pub(crate) bounds: Bounds,
    /// Without one no worker is started.
    pub(crate) required: bool,
}

/// The service's group and what it makes below.
#[derive(Debug)]
pub(crate) struct Groups {
    folder: PathBuf,
    /// What the bounds of all pools take, and this group hands down.
    controllers: Vec<&'static str>,
}

impl Groups {
    /// Makes the group, for workers with these bounds, if this machine lets us. The error is a reason for the log.
    pub(crate) fn open<'a>(bounds: impl IntoIterator<Item = &'a Bounds>) -> Result<Self, String> {
        Self::open_in(&place::own()?, bounds)
    }

    fn open_in<'a>(own: &Path, bounds: impl IntoIterator<Item = &'a Bounds>) -> Result<Self, String> {
        clean(own);
        let folder = own.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| {
            format!("{} is not ours to divide ({error}); a systemd unit says Delegate=yes", own.display())
        })?;
        let mut controllers: Vec<_> = bounds.into_iter().flat_map(Bounds::controllers).collect();
        controllers.sort_unstable();
        controllers.dedup();
        let group = Self { folder, controllers };
        group.enable(own)?;
        Ok(group)
    }

    /// Hands the controllers that the bounds take down to the workers' groups.
    fn enable(&self, own: &Path) -> Result<(), String> {
        let wanted = &self.controllers;
        if wanted.is_empty() {
            return Ok(());
        }
        let there = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
        if let Some(missing) = wanted.iter().find(|name| !there.split_whitespace().any(|word| word == **name))
        {
            return Err(format!(
                "{} has no controller {missing}, which the bounds of workers take",
                own.display()
            ));
        }
        let order = wanted.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
        let hand_down = |folder: &Path| fs::write(folder.join("cgroup.subtree_control"), &order);
        let first = match hand_down(own) {
            // A group with limits below it has no processes itself, so we go below too.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                self.move_self().and_then(|()| hand_down(own))
            }
            other => other,
        };
        first.and_then(|()| hand_down(&self.folder)).map_err(|error| {
            format!(
                "{} does not hand {order} down ({error}); is anything but the service in it?",
                own.display()
            )
        })
    }

    fn move_self(&self) -> io::Result<()> {
        let service = self.folder.join("service");
        fs::create_dir(&service)?;
        fs::write(service.join("cgroup.procs"), "0")
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A group for one worker.
    pub(crate) fn leaf(&self, worker: u32, bounds: &Bounds) -> io::Result<Leaf> {
        // Where the controllers could not be had, the bounds cannot be set either, and that was said.
        let bounds = if self.controllers.is_empty() { &Bounds::default() } else { bounds };
        Leaf::make(self.folder.join(format!("worker-{worker}")), bounds)
    }
}

impl Drop for Groups {
    /// Whatever is still in the workers' groups ends, and the groups go. Our own stays when we are in it; the next start
    /// removes it.
    fn drop(&mut self) {
        for _ in 0..END_ROUNDS {
            if remove(&self.folder) {
                return;
            }
            if self.folder.join("service").exists() && !leaf::any(&self.folder) {
                return;
            }
            std::thread::sleep(END_ROUND);
        }
        debug!(target: "dispatcher.pool", folder = %self.folder.display(), "the control group is left behind");
    }
}

/// Ends what is left of services that were killed, and removes their groups.
fn clean(own: &Path) {
    let Ok(entries) = fs::read_dir(own) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok()) else {
            continue;
        };
        if pid != std::process::id() && Path::new(&format!("/proc/{pid}")).exists() {
            continue;
        }
        let gone = (0..END_ROUNDS).any(|round| {
            if round > 0 {
                std::thread::sleep(END_ROUND);
            }
            remove(&entry.path())
        });
        if !gone {
            warn!(target: "dispatcher.pool", "the control group {} of an earlier service cannot be removed", entry.path().display());
        }
    }
}

/// Kills what is in the groups below a folder and removes those that are empty, and the folder; whether all are gone.
pub(super) fn remove(folder: &Path) -> bool {
    for leaf in leaf::below(folder) {
        leaf.kill();
        leaf.remove();
    }
    let _ = fs::remove_dir(folder.join("service"));
    fs::remove_dir(folder).is_ok()
}

#[cfg(test)]
mod tests;

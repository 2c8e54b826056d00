//! Who is left when the service is killed: ends what worker programs have left behind.
//!
//! The fork server does this for the workers it forks. Worker programs have us for a parent, so a small process of our own
//! waits at a pipe whose other end only we hold and nobody writes to. When that closes, whatever carries our mark in its
//! environment, or is in a control group of ours, is killed. It does nothing else, and on an ordinary end of the service it
//! is ended with the rest. Where it stands: beside the service, for `worker.command` and `SpawnServerManager` alone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, kill_process};

use super::cgroup;
use super::confinement::{SELF, STEP};

/// The variable that whatever comes from a worker program of this service carries.
pub(crate) const MARK: &str = "DISPATCHER_SERVICE";

/// The argument that makes the step a keeper.
pub(crate) const KEEP: &str = "keep";

/// How often it looks again for what was started meanwhile, and when.
const ROUNDS: usize = 100;
const ROUND: Duration = Duration::from_millis(20);

/// The service's end.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// What worker programs are to carry as [`MARK`].
    pub(crate) mark: String,
    /// Held, never written: its closing is the message.
    _held: OwnedFd,
}

impl Keeper {
    /// Starts it. `groups` is the folder of our control groups; `step`, the program that is the step, if we are not.
    pub(crate) fn start(groups: Option<&Path>, step: Option<&Path>) -> io::Result<Self> {
        let mark = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        let (end, held) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new(step.unwrap_or(Path::new(SELF)));
        command.arg0(STEP).arg(KEEP).arg(&mark).args(groups).stdin(Stdio::from(end)).stdout(Stdio::null());
        command.env_remove(MARK).spawn()?;
        Ok(Self { mark, _held: held })
    }
}

/// The keeper's own life. Its arguments are the mark and, if there are any, the folder of the control groups.
pub(super) fn keep(arguments: &[OsString]) -> ExitCode {
    let Some(mark) = arguments.first().and_then(|mark| mark.to_str()) else { return ExitCode::FAILURE };
    // A signal to the whole process group is not for it: it is there for when everybody else is gone.
    let _ = rustix::process::setsid();
    let mut buffer = [0; 64];
    while matches!(io::stdin().read(&mut buffer), Ok(count) if count > 0) {}
    let entry = format!("{MARK}={mark}");
    for _ in 0..ROUNDS {
        let groups_gone = arguments.get(1).is_none_or(|folder| cgroup::remove(Path::new(folder)));
        let left = marked(OsStr::new(&entry));
        if left.is_empty() && groups_gone {
            break;
        }
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(ROUND);
    }
    ExitCode::SUCCESS
}

/// Every process that has this in its environment.
fn marked(entry: &OsStr) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let has = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_encoded_bytes())
    };
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid| has(*pid))
        .filter_map(Pid::from_raw)
        .collect()
}

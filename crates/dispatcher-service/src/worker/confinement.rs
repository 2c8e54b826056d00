//! What a worker process is before it runs anything: its account, its limits, its group, and that it ends with us.
//!
//! Between us and a worker program (or the fork server) stands one step: we start *ourselves* under the name
//! [`STEP`], and that becomes the program once it has given up what the program shall not have. So the program's first
//! instruction, an interpreter's start-up included, already runs without it. Here is what the step is told; what it
//! does is in `step`. Decides nothing: `setup` has found out what the configuration means on this machine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// The name under which this program makes itself a worker.
pub const STEP: &str = "dispatcher-worker";

/// What is between us and our service manager; none of it is a worker's business.
const NOT_FOR_WORKERS: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Ourselves, even when the file has been replaced meanwhile.
pub(crate) const SELF: &str = "/proc/self/exe";

/// What every worker of the pool is made into.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// The account to change to.
    pub(crate) account: Option<Account>,
    pub(crate) umask: Option<u32>,
    pub(crate) chdir: Option<PathBuf>,
    pub(crate) no_new_privs: bool,
    /// Each limit by its name, the soft one and the hard one.
    pub(crate) limits: Vec<(String, u64, u64)>,
    /// Whose end is the worker's end too.
    pub(crate) parent: u32,
    /// The program that is the step; [`SELF`] when nobody says.
    #[serde(skip)]
    pub(crate) step: Option<PathBuf>,
    /// Where it writes itself in, to be in its control group, and whether it must not live without.
    pub(crate) procs: Option<(PathBuf, bool)>,
}

/// A user and its groups, by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// What the user database says of it, for the environment: its name and its home.
    #[serde(skip)]
    pub(crate) named: Option<(String, PathBuf)>,
}

impl Confinement {
    /// The command that becomes this program. Limits are for programs that run tasks themselves: a fork server is
    /// without, so that it can go on forking, and its children take them on.
    pub(crate) fn command(
        &self,
        program: &OsStr,
        args: &[OsString],
        limits: bool,
        procs: Option<(PathBuf, bool)>,
    ) -> io::Result<Command> {
        let mut step = Self { parent: std::process::id(), procs, ..self.clone() };
        if !limits {
            step.limits.clear();
        }
        let mut command = Command::new(self.step.as_deref().unwrap_or(Path::new(SELF)));
        command.arg0(STEP).arg(serde_json::to_string(&step)?).arg(find(program)?).args(args);
        for name in NOT_FOR_WORKERS {
            command.env_remove(name);
        }
        if let Some((name, home)) = self.account.as_ref().and_then(|account| account.named.as_ref()) {
            command.env("HOME", home).env("USER", name).env("LOGNAME", name);
        }
        Ok(command)
    }
}

/// The file of a program, as a shell finds it; so a name that leads nowhere is an error here and not in the step.
fn find(program: &OsStr) -> io::Result<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 || path.is_absolute() {
        // The step may change its directory.
        let path = env::current_dir()?.join(path);
        return if path.exists() { Ok(path) } else { Err(io::ErrorKind::NotFound.into()) };
    }
    let folders = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let found = env::split_paths(&folders).map(|folder| folder.join(path)).find(|path| is_program(path));
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them_and_a_missing_one_is_an_error() {
        assert!(find(OsStr::new("sh")).unwrap().is_absolute());
        assert!(find(OsStr::new("/bin/sh")).is_ok());
        for missing in ["no-such-program-at-all", "/no/such/program", "./no-such-program"] {
            assert_eq!(find(OsStr::new(missing)).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn what_the_step_is_told_comes_through_and_nothing_of_the_service_manager() {
        let account = Account { uid: 1, gid: 2, groups: vec![3], named: Some(("x".into(), "/x".into())) };
        let confinement = Confinement {
            account: Some(account.clone()),
            limits: vec![("core".to_owned(), 0, 0)],
            ..Confinement::default()
        };
        let command =
            confinement.command(OsStr::new("sh"), &[], true, Some(("/g/cgroup.procs".into(), true))).unwrap();
        let told: Confinement =
            serde_json::from_str(command.as_std().get_args().next().unwrap().to_str().unwrap()).unwrap();
        assert_eq!(told.account, Some(Account { named: None, ..account }));
        assert_eq!((told.parent, told.procs), (std::process::id(), Some(("/g/cgroup.procs".into(), true))));
        assert_eq!(told.limits.len(), 1);
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed.len(), NOT_FOR_WORKERS.len());
        let template = confinement.command(OsStr::new("sh"), &[], false, None).unwrap();
        assert!(template.as_std().get_args().next().unwrap().to_str().unwrap().contains(r#""limits":[]"#));
    }
}

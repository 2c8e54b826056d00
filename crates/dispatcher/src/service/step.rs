//! The program between a service and its worker processes: what an application has to have for pools of processes.
//!
//! A service starts workers by way of a program that first gives up what a worker shall not have. `dispatcher` is that program;
//! an application can be it too. Where it stands: asked once, before a service begins.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use dispatcher_service::{WORKER_STEP, become_worker};

use super::ServiceError;

/// The name of the program, where nobody names another.
const NAME: &str = "dispatcher";

/// Whether this program can be the step: a fact about its `main`, the same for every service in it.
static CAN_BE_IT: AtomicBool = AtomicBool::new(false);

/// Makes this process a worker if the service of another process has started it for that. For applications whose services
/// have pools of processes; it has to be the first thing in `main`, before any thread is started:
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = dispatcher::service::become_worker_if_asked() {
///         return code;
///     }
///     // ... the application
///     ExitCode::SUCCESS
/// }
/// ```
///
/// Comes back with a code only when the process was asked and could not become a worker.
#[must_use = "a process that could not become a worker has to end with this code"]
pub fn become_worker_if_asked() -> Option<ExitCode> {
    let mut arguments: Vec<OsString> = env::args_os().collect();
    if arguments.first().is_some_and(|name| name == WORKER_STEP) {
        return Some(become_worker(arguments.split_off(1)));
    }
    CAN_BE_IT.store(true, Ordering::Relaxed);
    None
}

/// The program to be started; none is this one.
pub(super) fn program(named: Option<PathBuf>) -> Result<Option<PathBuf>, ServiceError> {
    if let Some(path) = named {
        return if is_program(&path) { Ok(Some(path)) } else { Err(ServiceError::Builder(not_one(&path))) };
    }
    if CAN_BE_IT.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = find(&folders);
    found.map(Some).ok_or_else(|| {
        let why = "the configuration has pools, whose workers are processes, and nothing here can make one: begin main with \
                   dispatcher::service::become_worker_if_asked(), or install the program `dispatcher` where PATH finds it, or \
                   name it by Builder::program";
        ServiceError::Builder(why.to_owned())
    })
}

fn find(folders: &OsStr) -> Option<PathBuf> {
    env::split_paths(folders).map(|folder| folder.join(NAME)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn not_one(path: &Path) -> String {
    format!("Builder::program: there is no program {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_what_was_named_else_what_path_finds() {
        assert_eq!(program(Some("/bin/sh".into())).unwrap(), Some("/bin/sh".into()));
        let missing = program(Some("/no/such/dispatcher".into())).unwrap_err();
        assert!(missing.to_string().contains("/no/such/dispatcher"));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find(folder.path().as_os_str()), None);
        let file = folder.path().join(NAME);
        std::fs::write(&file, "").unwrap();
        assert_eq!(find(folder.path().as_os_str()), None, "it cannot be run");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(folder.path().as_os_str()), Some(file));
    }
}

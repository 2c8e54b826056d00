//! The step between the service and a worker program: gives up what the program shall not have, then becomes it.
//!
//! Runs in a process of its own, single-threaded, started by `confinement`. Says what went wrong on standard error and
//! ends; it never goes on with more rights than it was told.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::unistd::{Gid, Uid, getresgid, getresuid, setgroups, setresgid, setresuid};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, Signal};

use super::confinement::{Account, Confinement};
use super::keeper::{KEEP, keep};

/// It cannot be made what it shall be.
const REFUSED: u8 = 126;

/// Becomes a worker program: the first argument says what to give up, the others are the program. Comes back only when
/// that failed.
pub fn become_worker(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == KEEP
    {
        close_strays();
        return keep(rest);
    }
    let mut arguments = arguments.into_iter();
    let told = arguments.next().and_then(|text| serde_json::from_slice(text.as_encoded_bytes()).ok());
    let (Some(confinement), Some(program)) = (told, arguments.next()) else {
        return refuse("this name of the program is for the service: run `dispatcher serve`");
    };
    close_strays();
    if let Err(why) = give_up(&confinement) {
        return refuse(&format!("a worker cannot be started as the configuration wants it: {why}"));
    }
    let error = Command::new(&program).args(arguments).exec();
    refuse(&format!("a worker cannot be started: {}: {error}", program.to_string_lossy()))
}

fn refuse(what: &str) -> ExitCode {
    say_so(what);
    ExitCode::from(REFUSED)
}

#[expect(clippy::print_stderr, reason = "the log is in another process")]
fn say_so(what: &str) {
    eprintln!("dispatcher: {what}");
}

/// Closes what whoever started the service has left open: a worker has its channel, its output and nothing else. Ours are
/// closed by the exec itself.
fn close_strays() {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The one that the list was read by is closed already.
        let _ = nix::unistd::close(number);
    }
}

/// Everything, in an order in which nothing takes away what a later one needs.
fn give_up(confinement: &Confinement) -> Result<(), String> {
    if let Some((procs, required)) = &confinement.procs
        && let Err(error) = fs::write(procs, "0")
    {
        let why = format!("its control group {}: {error}", procs.display());
        if *required {
            return Err(why);
        }
        say_so(&format!("a worker is without {why}"));
    }
    for (name, soft, hard) in &confinement.limits {
        let resource = resource(name).ok_or_else(|| format!("there is no limit {name}"))?;
        rustix::process::setrlimit(resource, Rlimit { current: Some(*soft), maximum: Some(*hard) })
            .map_err(|error| format!("worker.limits.{name}: {error}"))?;
    }
    if let Some(account) = &confinement.account {
        change_to(account).map_err(|why| format!("worker.user: {why}"))?;
    }
    if let Some(mask) = confinement.umask {
        rustix::process::umask(Mode::from_raw_mode(mask));
    }
    if let Some(folder) = &confinement.chdir {
        std::env::set_current_dir(folder)
            .map_err(|error| format!("worker.chdir {}: {error}", folder.display()))?;
    }
    if confinement.no_new_privs {
        rustix::thread::set_no_new_privs(true).map_err(|error| format!("worker.no_new_privs: {error}"))?;
    }
    // A change of the account would have cleared it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| error.to_string())?;
    if std::os::unix::process::parent_id() != confinement.parent {
        return Err("the service is gone".to_owned());
    }
    Ok(())
}

/// Changes the account for good.
fn change_to(account: &Account) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
    // Without the right to, there is nothing to change if all is as it shall be.
    if !Uid::effective().is_root() && Uid::effective() == uid && Gid::effective() == gid {
        return Ok(());
    }
    setgroups(&groups).map_err(|error| format!("the groups: {error}"))?;
    setresgid(gid, gid, gid).map_err(|error| format!("the group {gid}: {error}"))?;
    setresuid(uid, uid, uid).map_err(|error| format!("the user {uid}: {error}"))?;
    let (users, of_group) = (getresuid().map_err(say)?, getresgid().map_err(say)?);
    let all = [users.real, users.effective, users.saved];
    let all_groups = [of_group.real, of_group.effective, of_group.saved];
    let back = !uid.is_root() && setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok();
    if back || all.iter().any(|it| *it != uid) || all_groups.iter().any(|it| *it != gid) {
        return Err("the change did not hold".to_owned());
    }
    Ok(())
}

fn say(error: nix::errno::Errno) -> String {
    error.to_string()
}

/// A limit by the name that the configuration has for it.
pub(crate) fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "core" => Resource::Core,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "data" => Resource::Data,
        "as" => Resource::As,
        "cpu" => Resource::Cpu,
        "fsize" => Resource::Fsize,
        "stack" => Resource::Stack,
        _ => return None,
    })
}

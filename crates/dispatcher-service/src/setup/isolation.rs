//! What the isolation settings mean on this machine: users by number, limits within what we may set.
//!
//! Says everything that is wrong at once. Changes one thing: our own hard limits rise where workers shall have more,
//! as far as we may. Where it stands: before anything is started.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use rustix::process::{Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::RunError;
use crate::config::{Account as Wanted, CgroupUse, Config, Isolation, Pool, Worker};
use crate::worker::cgroup::{Bounds, GroupUse, Groups};
use crate::worker::confinement::{Account, Confinement};
use crate::worker::step::resource;

/// Seconds between SIGXCPU and SIGKILL for a worker that has had its CPU time.
const CPU_GRACE: u64 = 5;

/// What a service that is started here and now would end with, because of who and where it is.
pub fn refusals_here(config: &Config) -> Vec<String> {
    match confinements(config) {
        Err(RunError::Config(complaints)) => complaints.lines().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What the workers of each pool are made into.
pub(crate) fn confinements(config: &Config) -> Result<Vec<Confinement>, RunError> {
    let made = config.pools.iter().map(|pool| {
        // Where there is one pool, nobody has given it a name.
        let named = if config.pools.len() > 1 { format!("pools.{}.", pool.name) } else { String::new() };
        confinement(pool)
            .map_err(|complaints| complaints.into_iter().map(|why| named.clone() + &why).collect::<Vec<_>>())
    });
    let (made, refused): (Vec<_>, Vec<_>) = made.partition(Result::is_ok);
    let mut complaints: Vec<_> = refused.into_iter().filter_map(Result::err).flatten().collect();
    complaints.dedup();
    if complaints.is_empty() {
        return Ok(made.into_iter().filter_map(Result::ok).collect());
    }
    Err(RunError::Config(complaints.join("\n")))
}

fn confinement(pool: &Pool) -> Result<Confinement, Vec<String>> {
    let isolation = &pool.worker.isolation;
    let mut complaints = Vec::new();
    let account = account(isolation).unwrap_or_else(|why| {
        complaints.push(why);
        None
    });
    if let Some(folder) = isolation.chdir.as_ref().filter(|folder| !folder.is_dir()) {
        complaints.push(format!("worker.chdir: there is no directory {}", folder.display()));
    }
    let mut limits = Vec::new();
    for (name, limit) in &isolation.limits {
        let hard = if *name == "cpu" { limit + CPU_GRACE } else { *limit };
        complaints.extend(make_room(name, hard).err());
        limits.push(((*name).to_owned(), *limit, hard));
    }
    complaints.extend(processes(isolation, pool.size.max_workers));
    if !complaints.is_empty() {
        return Err(complaints);
    }
    Ok(Confinement {
        account,
        umask: isolation.umask,
        chdir: isolation.chdir.clone(),
        no_new_privs: isolation.no_new_privs,
        limits,
        ..Confinement::default()
    })
}

/// What a pool wants of control groups; none: nothing at all.
pub(crate) fn use_of_groups(worker: &Worker) -> Option<GroupUse> {
    let isolation = &worker.isolation;
    let bounds = Bounds { memory: isolation.memory_max, pids: isolation.pids_max, cpu: isolation.cpu_max };
    let required = isolation.cgroup == CgroupUse::Required;
    (isolation.cgroup != CgroupUse::Off).then_some(GroupUse { bounds, required })
}

/// The control group that workers get theirs in; none where no pool wants it, or it cannot be and need not.
pub(crate) fn groups(config: &Config) -> Result<Option<Groups>, RunError> {
    let uses: Vec<_> = config.pools.iter().filter_map(|pool| use_of_groups(&pool.worker)).collect();
    if uses.is_empty() {
        return Ok(None);
    }
    let required = uses.iter().any(|wanted| wanted.required);
    let bounded = uses.iter().any(|wanted| wanted.bounds != Bounds::default());
    match Groups::open(uses.iter().map(|wanted| &wanted.bounds)) {
        Ok(groups) => Ok(Some(groups)),
        Err(why) if required => Err(RunError::Config(format!("worker.cgroup: required, but {why}"))),
        Err(why) if bounded => {
            warn!(target: "dispatcher.main", "worker.memory_max, pids_max and cpu_max have no effect: {why}");
            Ok(Groups::open([]).ok())
        }
        Err(why) => {
            info!(target: "dispatcher.main", "workers have no control groups of their own: {why}");
            Ok(None)
        }
    }
}

/// The account to change to; none if there is nothing to change.
fn account(isolation: &Isolation) -> Result<Option<Account>, String> {
    let Some(wanted) = &isolation.user else { return Ok(None) };
    let say = |error: nix::errno::Errno| format!("worker.user: the user database: {error}");
    let entry = match wanted {
        Wanted::Name(name) => Some(User::from_name(name).map_err(say)?.ok_or_else(|| {
            format!("worker.user: there is no user {name:?} on this machine; make it, or name another")
        })?),
        Wanted::Number(number) => User::from_uid(Uid::from_raw(*number)).map_err(say)?,
    };
    let uid = match (&entry, wanted) {
        (Some(entry), _) => entry.uid,
        (None, Wanted::Number(number)) => Uid::from_raw(*number),
        (None, Wanted::Name(_)) => return Ok(None),
    };
    let gid = match (&isolation.group, &entry) {
        (Some(group), _) => group_number(group)?,
        (None, Some(entry)) => entry.gid,
        (None, None) => {
            return Err(format!(
                "worker.user: {uid} has no entry in the user database; set worker.group too"
            ));
        }
    };
    let own = Uid::effective();
    if !own.is_root() {
        if (own, Gid::effective()) == (uid, gid) {
            return Ok(None);
        }
        return Err(format!(
            "worker.user: only root may run workers as somebody else, and this service is user {own}; start it as root, or \
             as that user without worker.user"
        ));
    }
    let name = entry.as_ref().and_then(|entry| CString::new(entry.name.as_bytes()).ok());
    let groups = name.map_or(Ok(vec![gid]), |name| getgrouplist(&name, gid)).map_err(say)?;
    Ok(Some(Account {
        uid: uid.as_raw(),
        gid: gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
        named: entry.map(|entry| (entry.name, entry.dir)),
    }))
}

fn group_number(wanted: &Wanted) -> Result<Gid, String> {
    match wanted {
        Wanted::Number(number) => Ok(Gid::from_raw(*number)),
        Wanted::Name(name) => Group::from_name(name)
            .map_err(|error| format!("worker.group: the group database: {error}"))?
            .map(|group| group.gid)
            .ok_or_else(|| {
                format!("worker.group: there is no group {name:?} on this machine; make it, or name another")
            }),
    }
}

/// Raises our own hard limit to what workers shall have; they can only go down from it.
fn make_room(name: &str, hard: u64) -> Result<(), String> {
    let Some(resource) = resource(name) else { return Ok(()) };
    let now = getrlimit(resource);
    match now.maximum {
        Some(most) if most < hard => {
            let raised = Rlimit { current: now.current, maximum: Some(hard) };
            setrlimit(resource, raised).map_err(|_| {
                format!(
                    "worker.limits.{name}: {hard} is above the limit of the service itself, {most}, which only root may \
                     raise; lower it, or raise that (in a systemd unit: Limit{}=)",
                    name.to_uppercase()
                )
            })
        }
        _ => Ok(()),
    }
}

/// The limit of processes counts all of a user's, the other workers and the fork server too.
fn processes(isolation: &Isolation, max_workers: u32) -> Option<String> {
    let (_, limit) = isolation.limits.iter().find(|(name, _)| *name == "nproc")?;
    (*limit <= u64::from(max_workers) + 1).then(|| {
        format!(
            "worker.limits.nproc: {limit} is no more than the workers themselves are (max_workers {max_workers}, and the fork \
             server); it counts every process of their user"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    fn wants(user: Option<Wanted>, group: Option<Wanted>) -> Isolation {
        Isolation {
            user,
            group,
            umask: None,
            chdir: None,
            no_new_privs: true,
            limits: vec![("nproc", 5)],
            cgroup: CgroupUse::Off,
            memory_max: None,
            pids_max: None,
            cpu_max: None,
        }
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        let nobody_at_all = || Some(Wanted::Name("no-such-account".to_owned()));
        assert!(account(&wants(nobody_at_all(), None)).unwrap_err().contains("no-such-account"));
        let root = Some(Wanted::Number(0));
        assert!(account(&wants(root, nobody_at_all())).unwrap_err().starts_with("worker.group: "));
        assert!(
            account(&wants(Some(Wanted::Number(4_000_000_000)), None)).unwrap_err().contains("worker.group")
        );
    }

    #[test]
    fn to_become_what_one_is_takes_no_rights_and_to_become_somebody_else_takes_root() {
        let own = wants(
            Some(Wanted::Number(Uid::effective().as_raw())),
            Some(Wanted::Number(Gid::effective().as_raw())),
        );
        let found = account(&own).unwrap();
        assert_eq!(found.is_some(), Uid::effective().is_root());
        let other = account(&wants(Some(Wanted::Number(65_533)), Some(Wanted::Number(65_533))));
        assert_eq!(other.is_ok(), Uid::effective().is_root());
    }

    #[test]
    fn a_limit_of_processes_that_the_workers_alone_reach_is_refused() {
        assert!(processes(&wants(None, None), 4).is_some());
        assert!(processes(&wants(None, None), 3).is_none());
    }
}

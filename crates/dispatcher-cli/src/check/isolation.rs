//! What a file says about the rights of workers, for the summary of `check`.

use dispatcher_service::config::{Account, CgroupUse, Isolation};

/// One line; none when everything is as it is without a word in the file.
pub(super) fn line(isolation: &Isolation) -> Option<String> {
    let mut parts = Vec::new();
    let name = |account: &Account| match account {
        Account::Name(name) => name.clone(),
        Account::Number(number) => number.to_string(),
    };
    if let Some(user) = &isolation.user {
        let group = isolation.group.as_ref().map_or_else(String::new, |group| format!(":{}", name(group)));
        parts.push(format!("run as {}{group}", name(user)));
    }
    parts.extend(isolation.umask.map(|mask| format!("umask {mask:03o}")));
    parts.extend(isolation.chdir.as_ref().map(|folder| format!("in {}", folder.display())));
    if !isolation.no_new_privs {
        parts.push("set-user-id programs work".to_owned());
    }
    parts.extend(
        isolation
            .limits
            .iter()
            .filter(|limit| **limit != ("core", 0))
            .map(|(name, limit)| format!("{name} {limit}")),
    );
    parts.extend(isolation.memory_max.map(|bytes| format!("memory {bytes}")));
    parts.extend(isolation.pids_max.map(|count| format!("processes {count}")));
    parts.extend(isolation.cpu_max.map(|cpus| format!("CPUs {cpus}")));
    match isolation.cgroup {
        CgroupUse::Auto => {}
        CgroupUse::Off => parts.push("no control groups".to_owned()),
        CgroupUse::Required => parts.push("each in a control group of its own".to_owned()),
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

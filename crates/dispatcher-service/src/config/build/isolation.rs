//! The part of `worker` that says what a worker process may do, to types.

use std::path::PathBuf;

use super::Reader;
use crate::config::isolation::{Account, CgroupUse, Isolation};
use crate::config::size;
use crate::config::tree::{Data, Node};

/// The names of `worker.limits`, in the order in which they are set.
pub(in crate::config) const LIMITS: &[&str] =
    &["core", "nofile", "nproc", "data", "as", "cpu", "fsize", "stack"];

pub(super) fn isolation(root: &Node) -> Isolation {
    let read = Reader { root, base: &["worker"] };
    Isolation {
        user: account(root, "user"),
        group: account(root, "group"),
        umask: root.find(&["worker", "umask"]).and_then(Node::as_text).and_then(umask),
        chdir: read.text("chdir").map(PathBuf::from),
        no_new_privs: read.flag("no_new_privs"),
        limits: LIMITS.iter().filter_map(|name| Some((*name, limit(root, name)?))).collect(),
        cgroup: cgroup(root),
        memory_max: read.bytes("memory_max"),
        pids_max: read.value("pids_max").as_u64(),
        cpu_max: read.value("cpu_max").as_f64(),
    }
}

/// A limit, in bytes, counts or seconds; none if it is inherited.
pub(in crate::config) fn limit(root: &Node, name: &str) -> Option<u64> {
    match root.find(&["worker", "limits", name]) {
        Some(node) => size::of_or_zero(node),
        None => Reader { root, base: &["worker", "limits"] }.value(name).as_u64(),
    }
}

/// Octal text, as `027`; none if it is something else.
pub(in crate::config) fn umask(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8).ok().filter(|mask| *mask <= 0o777)
}

/// `off` without quotes is a false to YAML.
pub(in crate::config) fn cgroup(root: &Node) -> CgroupUse {
    match root.find(&["worker", "cgroup"]).map(|node| &node.data) {
        Some(Data::Bool(false)) => CgroupUse::Off,
        Some(Data::Text(word)) => CgroupUse::from_word(word),
        _ => CgroupUse::Auto,
    }
}

fn account(root: &Node, key: &str) -> Option<Account> {
    let node = root.find(&["worker", key])?;
    match &node.data {
        Data::Number(number) => number.as_u64()?.try_into().ok().map(Account::Number),
        Data::Text(text) if text.is_empty() => None,
        Data::Text(text) => Some(match text.parse() {
            Ok(number) => Account::Number(number),
            Err(_) => Account::Name(text.clone()),
        }),
        _ => None,
    }
}

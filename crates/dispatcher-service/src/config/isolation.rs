//! What a worker process may do, as types: its account, its limits, its control group.
//!
//! Numbers and names as the file has them; what they mean on this machine is found out when the service starts.
//! Where it stands: a part of `Worker`, built by `build/isolation.rs`.

use std::path::PathBuf;

/// `worker.limits` and what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Isolation {
    /// The account that workers run under; `None` is the service's own.
    pub user: Option<Account>,
    /// The group beside it; `None` is the account's own.
    pub group: Option<Account>,
    /// The permissions that new files lack; `None` is as inherited.
    pub umask: Option<u32>,
    /// The working directory; `None` is the service's.
    pub chdir: Option<PathBuf>,
    /// No program that a worker starts gains rights by its file; yes.
    pub no_new_privs: bool,
    /// Limits by name, in the words of `ulimit` and in bytes, counts or seconds; those that are not here are inherited.
    pub limits: Vec<(&'static str, u64)>,
    /// Whether each worker gets a control group of its own.
    pub cgroup: CgroupUse,
    /// `memory.max` of that group, in bytes.
    pub memory_max: Option<u64>,
    /// `pids.max` of that group.
    pub pids_max: Option<u64>,
    /// CPUs for that group.
    pub cpu_max: Option<f64>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// As the machine's user database calls it.
    Name(String),
    /// Its number.
    Number(u32),
}

/// `worker.cgroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupUse {
    /// Where the machine allows it.
    Auto,
    /// Never.
    Off,
    /// Always, or the service does not start.
    Required,
}

impl CgroupUse {
    /// The words of the file.
    pub(super) const WORDS: &'static [&'static str] = &["auto", "off", "required"];

    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "off" => Self::Off,
            "required" => Self::Required,
            _ => Self::Auto,
        }
    }
}

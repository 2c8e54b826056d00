//! Rules between the keys of `worker` that say what a worker process may do.
//!
//! What depends on the machine (whether a user exists, who the service is) is found out when the service starts, not
//! here: a file is also read by whoever only asks a service something.

use std::path::Path;

use super::Rules;
use crate::config::build;
use crate::config::isolation::CgroupUse;
use crate::config::tree::Data;

/// Less than this and Python does not come up.
const LEAST_MEMORY: u64 = 32 << 20;
/// As above, for the stack.
const LEAST_STACK: u64 = 1 << 20;

impl Rules<'_> {
    pub(super) fn isolation(&mut self) {
        self.account();
        self.umask();
        if self.text("worker.chdir").is_some_and(|path| !Path::new(path).is_absolute()) {
            self.error("worker.chdir", "is a relative path", "write it from the root, as /srv/app");
        }
        for (name, least, unit) in
            [("data", LEAST_MEMORY, "32MiB"), ("as", LEAST_MEMORY, "32MiB"), ("stack", LEAST_STACK, "1MiB")]
        {
            if build::limit(self.root, name).is_some_and(|limit| limit < least) {
                let what = "is less than a worker needs before its first task";
                self.error(&format!("worker.limits.{name}"), what, &format!("at least {unit}"));
            }
        }
        if build::cgroup(self.root) == CgroupUse::Off {
            for key in ["worker.memory_max", "worker.pids_max", "worker.cpu_max"] {
                if self.find(key).is_some_and(|node| !node.is_null()) {
                    self.warning(
                        key,
                        "has no effect while worker.cgroup is off",
                        "set cgroup: auto or required",
                    );
                }
            }
        }
    }

    fn account(&mut self) {
        let given = |key: &str| self.find(key).is_some_and(|node| !node.is_null());
        if given("worker.group") && !given("worker.user") {
            self.error("worker.group", "without worker.user", "name the user too");
        }
        for key in ["worker.user", "worker.group"] {
            if self.text(key) == Some("") {
                self.error(key, "is blank", "leave the key out");
            }
        }
    }

    fn umask(&mut self) {
        let path = "worker.umask";
        match self.find(path).map(|node| &node.data) {
            Some(Data::Number(_)) => self.error(
                path,
                "is a number, which may not be the one that was meant",
                "write it in quotes, as \"027\"",
            ),
            Some(Data::Text(text)) if build::umask(text).is_none() => {
                let what = format!("{text:?} is not octal, or more than 777");
                self.error(path, what, "write it as \"027\"");
            }
            _ => {}
        }
    }
}

//! The processes below a worker: what its tasks started.
//!
//! Workers share the service's process group, so a hard kill cannot use a group of their own; it walks the
//! parent links in `/proc` instead. Never signals anything itself.

use std::collections::HashMap;
use std::fs;

/// Every living process below `root`, parents before their children; those that have ended and are not buried are
/// left out. Empty when `/proc` cannot be read.
pub(crate) fn of(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<(i32, bool)>> = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((living, parent)) = state_of(pid) {
            children.entry(parent).or_default().push((pid, living));
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        for (child, living) in children.remove(&pid).unwrap_or_default() {
            found.extend(living.then_some(child));
            next.push(child);
        }
    }
    found
}

/// Whether it lives, and its parent's pid.
fn state_of(pid: i32) -> Option<(bool, i32)> {
    let (state, parent) = status(pid)?;
    Some((!matches!(state, 'Z' | 'X'), parent))
}

/// The kernel's letter for what a process does (`R` runs, `S` waits, `T` is stopped ...), and its parent's pid: the fields
/// after the command name, which may itself hold blanks and brackets.
pub(crate) fn status(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn finds_the_child_and_the_grandchild_of_a_process() {
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'read line; :' ; :"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let pid = i32::try_from(shell.id()).unwrap();
        while of(pid).is_empty() {
            std::thread::yield_now();
        }
        assert!(of(own).contains(&pid));
        assert!(of(own).contains(&of(pid)[0]));
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }

    #[test]
    fn leaves_out_a_child_that_has_ended_and_is_not_buried() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        while state_of(pid).is_some_and(|(living, _)| living) {
            std::thread::yield_now();
        }
        assert!(!of(i32::try_from(std::process::id()).unwrap()).contains(&pid));
        child.wait().unwrap();
    }
}

//! Where the service's own control group is among the files of this machine.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of our own group.
pub(super) fn own() -> Result<PathBuf, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    find(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
        .ok_or_else(|| "there is no cgroup v2 on this machine".to_owned())
}

/// As [`own`], from the texts of the kernel: the line `0::PATH`, and the mount of the type `cgroup2` that shows it.
pub(super) fn find(cgroup: &str, mounts: &str) -> Option<PathBuf> {
    let path = Path::new(cgroup.lines().find_map(|line| line.strip_prefix("0::"))?);
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        if kind.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
        Some(Path::new(&point).join(path.strip_prefix(root).ok()?))
    })
}

/// Blanks in paths are written as octal numbers.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

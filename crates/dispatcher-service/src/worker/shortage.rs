//! Whether the kernel has killed something for want of memory.
//!
//! A worker's own control group tells it for sure. Without one, all there is to see is that the machine's counter has risen
//! about when a worker died by a SIGKILL that nobody here sent.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// The machine's counter, and what it was when it was last looked at.
#[derive(Debug)]
pub(crate) struct MemoryKills {
    file: PathBuf,
    seen: AtomicU64,
}

impl MemoryKills {
    pub(crate) fn new(file: impl Into<PathBuf>) -> Self {
        let kills = Self { file: file.into(), seen: AtomicU64::new(0) };
        kills.risen();
        kills
    }

    /// Whether there was one since the last look: a worker's start, or its end.
    pub(crate) fn risen(&self) -> bool {
        let now = fs::read_to_string(&self.file).ok().and_then(|text| count(&text)).unwrap_or(0);
        now > self.seen.swap(now, Ordering::Relaxed)
    }
}

/// The line `oom_kill N`, which `/proc/vmstat` and a group's `memory.events` both have.
pub(super) fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_counts_once_and_those_before_the_start_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vmstat");
        fs::write(&file, "nr_free_pages 7\noom_kill 3\noom_kill_group 9\n").unwrap();
        let kills = MemoryKills::new(&file);
        assert!(!kills.risen());
        fs::write(&file, "oom_kill 4\n").unwrap();
        assert!(kills.risen());
        assert!(!kills.risen());
    }

    #[test]
    fn a_kernel_that_does_not_count_never_says_so() {
        let kills = MemoryKills::new("/no/such/file");
        assert!(!kills.risen());
    }
}

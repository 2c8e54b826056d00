//! How much memory a worker holds, asked of the kernel.
//!
//! Never decides what is too much (that is the engine's).

use std::fs::File;
use std::os::unix::fs::FileExt;

/// One process's account, kept open: a look costs one read.
#[derive(Debug)]
pub(crate) struct Memory(File);

impl Memory {
    /// Nothing when the process is gone, or `/proc` is not there.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        File::open(format!("/proc/{pid}/statm")).ok().map(Self)
    }

    /// Resident bytes, pages shared with others included, as `ps` counts them.
    pub(crate) fn resident(&self) -> Option<u64> {
        let mut buffer = [0_u8; 128];
        let length = self.0.read_at(&mut buffer, 0).ok()?;
        let text = std::str::from_utf8(&buffer[..length]).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_is_seen() {
        let memory = Memory::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let before = memory.resident().unwrap();
        let held = vec![1_u8; 64 << 20];
        assert!(memory.resident().unwrap() >= before + (60 << 20));
        drop(held);
    }

    #[test]
    fn a_process_that_is_not_there_has_none() {
        assert!(Memory::of(i32::MAX).is_none());
    }
}

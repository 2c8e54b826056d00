//! Cuts a stream into lines. What a line says is nothing to it.
//!
//! Holds at most the limit and one read beyond it, and gives a long line's memory back when it has been read.

use std::io::BufRead;

use super::FrameError;

/// What a buffer may keep when it is empty, in bytes: hundreds of ordinary frames.
const KEPT: usize = 64 * 1024;

/// The lines of a stream.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no line end.
    searched: usize,
    limit: usize,
}

impl Lines {
    /// `limit`: the longest line taken, in bytes without its line feed.
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, limit }
    }

    /// Where to append what is read next; has room for `wanted` more bytes. Append no more than that, and take
    /// all lines before the next read.
    pub(super) fn space(&mut self, wanted: usize) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT.max(wanted) {
            self.buffer = Vec::new();
        }
        let needed = self.buffer.len() + wanted;
        if needed > self.buffer.capacity() {
            // Doubling, so that a long line is copied seldom, but never past what the limit lets in.
            let most = self.limit.saturating_add(1).saturating_add(wanted);
            let room = (2 * self.buffer.capacity()).min(most).max(needed);
            self.buffer.reserve_exact(room - self.buffer.len());
        }
        &mut self.buffer
    }

    /// The next whole line; none until more bytes come. Empty lines are passed over.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, FrameError> {
        loop {
            let found = line_end(&self.buffer[self.searched..]);
            let end = found.map_or(self.buffer.len(), |length| self.searched + length);
            self.searched = end;
            let start = self.start;
            if end - start > self.limit {
                return Err(FrameError::TooLong { limit: self.limit });
            }
            if found.is_none() {
                return Ok(None);
            }
            self.start = end + 1;
            self.searched = self.start;
            if !self.buffer[start..end].trim_ascii().is_empty() {
                return Ok(Some(&self.buffer[start..end]));
            }
        }
    }

    /// The stream has ended: nothing may be left.
    pub(super) fn finish(&self) -> Result<(), FrameError> {
        match self.buffer.len() - self.start {
            0 => Ok(()),
            bytes => Err(FrameError::HalfFrame { bytes }),
        }
    }
}

/// Where the line feed is. The standard library searches by words of memory only through a reader.
fn line_end(mut bytes: &[u8]) -> Option<usize> {
    let whole = bytes;
    let read = bytes.skip_until(b'\n').unwrap_or_default();
    whole[..read].ends_with(b"\n").then(|| read - 1)
}

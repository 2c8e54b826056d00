//! Bytes in, lines out. Does no I/O and knows no time.

use super::MAX_LINE;

/// What has been read of one connection and not been taken yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins; what is before it has been taken.
    start: usize,
    /// Up to here there is no end of a line, so it is not looked for twice.
    searched: usize,
}

/// Why a connection cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    /// More than [`MAX_LINE`] bytes without an end.
    TooLong,
    /// Not text.
    NotUtf8,
}

/// A buffer that had to grow is given back when it is empty.
const KEEP: usize = 64 * 1024;

impl Lines {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line without its end; none until more has been read.
    pub(super) fn next(&mut self) -> Result<Option<String>, BadLine> {
        match self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            Some(found) => {
                let end = self.searched + found;
                let line = self.take(end);
                self.start = end + 1;
                self.searched = self.start;
                line.map(Some)
            }
            None if self.buffer.len() - self.start > MAX_LINE => Err(BadLine::TooLong),
            None => {
                self.forget_taken();
                Ok(None)
            }
        }
    }

    /// What was begun and never ended, once nothing more will come.
    pub(super) fn rest(&mut self) -> Result<Option<String>, BadLine> {
        if self.is_empty() {
            return Ok(None);
        }
        let line = self.take(self.buffer.len());
        self.start = self.buffer.len();
        line.map(Some)
    }

    /// Whether no line is begun. Meant for when [`Lines::next`] has given none.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    fn take(&self, end: usize) -> Result<String, BadLine> {
        let line = &self.buffer[self.start..end];
        if line.len() > MAX_LINE {
            return Err(BadLine::TooLong);
        }
        str::from_utf8(line).map(str::to_owned).map_err(|_| BadLine::NotUtf8)
    }

    fn forget_taken(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.searched = self.buffer.len();
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<String> {
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn lines_come_out_whole_however_they_came_in() {
        let text = "one\n\ntwo \r\nthréé\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                lines.push(piece);
                got.extend(all(&mut lines));
            }
            assert_eq!(got, ["one", "", "two \r", "thréé"]);
            assert!(lines.is_empty() && lines.rest() == Ok(None));
        }
    }

    #[test]
    fn what_has_no_end_is_a_line_only_when_nothing_more_comes() {
        let mut lines = Lines::default();
        lines.push(b"a\nbegun");
        assert_eq!(all(&mut lines), ["a"]);
        assert!(!lines.is_empty());
        assert_eq!(lines.rest(), Ok(Some("begun".to_owned())));
        assert_eq!(lines.rest(), Ok(None));
    }

    #[test]
    fn the_longest_line_is_taken_and_one_byte_more_is_not() {
        let longest = "x".repeat(MAX_LINE);
        let mut lines = Lines::default();
        lines.push(longest.as_bytes());
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next(), Ok(Some(longest.clone())));
        lines.push(longest.as_bytes());
        lines.push(b"y");
        assert_eq!(lines.next(), Err(BadLine::TooLong));
        lines.push(b"\n");
        assert_eq!(lines.next(), Err(BadLine::TooLong));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let mut lines = Lines::default();
        lines.push(b"a\n\xff\xfe\n");
        assert_eq!(lines.next(), Ok(Some("a".to_owned())));
        assert_eq!(lines.next(), Err(BadLine::NotUtf8));
    }
}

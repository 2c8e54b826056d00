//! A thread that writes log lines, and the queue before it.
//!
//! Never lets a caller wait and never fails: when the queue is full, lines are dropped and counted, and the count is
//! logged as soon as there is room; lines that cannot be written (a full disk, a reader that is gone) are counted, and the
//! next that can is preceded by their number. Where it stands: behind the formatter, before the stream.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use dispatcher_service::LogTally;
use tracing_subscriber::fmt::MakeWriter;

use super::Format;
use super::format::summary;
use super::limit::Limiter;

/// Lines that may wait. At 200 bytes a line this is about 3 MB, some seconds of a very talkative service.
const WAITING: usize = 16 * 1024;
/// How long the end of the process waits for lines that are still queued.
const FLUSH: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    /// The limiter has something for the thread to come for.
    Bell,
    End,
}

/// The near end: what the formatter writes to.
#[derive(Clone)]
pub(crate) struct Lines {
    // Owner of the other end: the writing thread. Bounded by WAITING, so that a stalled reader costs memory only
    // up to there.
    queue: SyncSender<Message>,
    tally: Arc<LogTally>,
}

/// Tells the writing thread that lines are being left out.
pub(super) struct Bell(SyncSender<Message>);

impl Bell {
    /// Never waits. With a full queue the thread is at work, and looks by itself.
    pub(super) fn ring(&self) {
        let _ = self.0.try_send(Message::Bell);
    }
}

/// Waits on drop until what was logged is written, or a second has passed.
pub(crate) struct Flush {
    queue: SyncSender<Message>,
    ended: Receiver<()>,
}

/// Starts the thread.
pub(super) fn background(
    out: impl Write + Send + 'static,
    format: Format,
    limiter: Arc<Limiter>,
    tally: Arc<LogTally>,
) -> (Lines, Bell, Flush) {
    let (queue, waiting) = sync_channel(WAITING);
    let (end, ended) = sync_channel(1);
    let lines = Lines { queue: queue.clone(), tally: Arc::clone(&tally) };
    let bell = Bell(queue.clone());
    let writer = Writing { out, format, limiter, tally, said: Lost::default() };
    // Without a thread the queue has no other end, and every line is counted as dropped.
    let _ = thread::Builder::new().name("log".to_owned()).spawn(move || {
        writer.run(&waiting);
        let _ = end.send(());
    });
    (lines, bell, Flush { queue, ended })
}

/// What is not in the log and should be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Lost {
    dropped: u64,
    failed: u64,
}

/// The thread.
struct Writing<W> {
    out: W,
    format: Format,
    limiter: Arc<Limiter>,
    tally: Arc<LogTally>,
    /// What the log has been told of.
    said: Lost,
}

impl<W: Write> Writing<W> {
    fn run(mut self, waiting: &Receiver<Message>) {
        loop {
            let message = match self.limiter.next_due() {
                None => waiting.recv().unwrap_or(Message::End),
                Some(due) => match waiting.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Disconnected) => Message::End,
                    Err(RecvTimeoutError::Timeout) => Message::Bell,
                    Ok(message) => message,
                },
            };
            let summaries = match &message {
                Message::End => self.limiter.take_all(),
                _ => self.limiter.take_due(Instant::now()),
            };
            for left_out in summaries {
                self.write(summary(self.format, &left_out).as_bytes());
            }
            match message {
                Message::Line(line) => self.write(&line),
                Message::Bell => {}
                Message::End => return,
            }
        }
    }

    /// Writes a line, after what is missing before it. The reader may be gone for ever or come back; a lost line is no
    /// reason to stop.
    fn write(&mut self, line: &[u8]) {
        if self.out.write_all(line).is_err() {
            self.tally.failed.add(1);
            return;
        }
        let lost = Lost { dropped: self.tally.dropped.get(), failed: self.tally.failed.get() };
        if lost == self.said {
            return;
        }
        let (dropped, failed) = (lost.dropped - self.said.dropped, lost.failed - self.said.failed);
        let mut told = Ok(());
        if dropped > 0 {
            told = writeln!(
                self.out,
                "{dropped} log lines were dropped here, as the reader of the log did not keep up"
            );
        }
        if failed > 0 && told.is_ok() {
            told = writeln!(self.out, "{failed} log lines could not be written before this one");
        }
        if told.is_ok() {
            self.said = lost;
        }
    }
}

impl Write for Lines {
    /// One call is one event.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.tally.dropped.add(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        // A full queue means a stalled reader, for whom nothing is worth waiting.
        if self.queue.try_send(Message::End).is_ok() {
            match self.ended.recv_timeout(FLUSH) {
                Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::Shared;
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Sender, channel};

    fn start(out: impl Write + Send + 'static) -> (Lines, Flush, Arc<LogTally>) {
        let tally = Arc::new(LogTally::default());
        let limiter = Arc::new(Limiter::new(Arc::clone(&tally)));
        let (lines, _, flush) = background(out, Format::Text, limiter, Arc::clone(&tally));
        (lines, flush, tally)
    }

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let out = Shared::default();
        let (mut lines, flush, _) = start(out.clone());
        for line in ["one\n", "two\n"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        drop(flush);
        assert_eq!(*out.0.lock().unwrap(), b"one\ntwo\n");
    }

    /// Says when it has a line, and takes it only when it is let.
    struct Stalled {
        began: Sender<()>,
        go_on: Receiver<()>,
        out: Shared,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.began.send(());
            let _ = self.go_on.recv();
            self.out.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_costs_lines_and_never_time() {
        let (began, has_begun) = channel();
        let (let_go, go_on) = channel();
        let out = Shared::default();
        let (mut lines, flush, tally) = start(Stalled { began, go_on, out: out.clone() });
        lines.write_all(b"first\n").unwrap();
        has_begun.recv().unwrap();
        for _ in 0..WAITING + 3 {
            lines.write_all(b"next\n").unwrap();
        }
        drop(let_go);
        while lines.queue.try_send(Message::End).is_err() {
            thread::yield_now();
        }
        flush.ended.recv().unwrap();
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("first\n3 log lines were dropped here"), "{}", &text[..80]);
        assert_eq!(text.matches("next\n").count(), WAITING);
        assert_eq!(tally.dropped.get(), 3);
    }

    /// Fails until it is mended.
    #[derive(Clone, Default)]
    struct Broken(Arc<AtomicBool>, Shared);

    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.load(Ordering::SeqCst) {
                self.1.write(bytes)
            } else {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_is_gone_ends_nothing_and_what_it_missed_is_counted() {
        let out = Broken::default();
        let (mut lines, flush, tally) = start(out.clone());
        for _ in 0..10 {
            lines.write_all(b"line\n").unwrap();
        }
        while tally.failed.get() < 10 {
            thread::yield_now();
        }
        out.0.store(true, Ordering::SeqCst);
        lines.write_all(b"again\n").unwrap();
        drop(flush);
        let text = String::from_utf8(out.1.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "again\n10 log lines could not be written before this one\n");
    }
}

//! A thread that writes log lines, and the queue before it.
//!
//! Never lets a caller wait and never fails: when the queue is full, lines are dropped and counted, and the count is
//! logged as soon as there is room; when the reader of the log is gone, lines go nowhere. Where it stands: behind the
//! formatter, before the stream.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait. At 200 bytes a line this is about 3 MB, some seconds of a very talkative service.
const WAITING: usize = 16 * 1024;
/// How long the end of the process waits for lines that are still queued.
const FLUSH: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    End,
}

/// The near end: what the formatter writes to.
#[derive(Clone)]
pub(crate) struct Lines {
    // Owner of the other end: the writing thread. Bounded by WAITING, so that a stalled reader costs memory only
    // up to there.
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

/// Waits on drop until what was logged is written, or a second has passed.
pub(crate) struct Flush {
    queue: SyncSender<Message>,
    ended: Receiver<()>,
}

/// Starts the thread.
pub(super) fn background(out: impl Write + Send + 'static) -> (Lines, Flush) {
    let (queue, waiting) = sync_channel(WAITING);
    let (end, ended) = sync_channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let lines = Lines { queue: queue.clone(), dropped: Arc::clone(&dropped) };
    // Without a thread the queue has no other end, and every line is counted as dropped.
    let _ = thread::Builder::new().name("log".to_owned()).spawn(move || {
        write_all(out, &waiting, &dropped);
        let _ = end.send(());
    });
    (lines, Flush { queue, ended })
}

fn write_all(mut out: impl Write, waiting: &Receiver<Message>, dropped: &AtomicU64) {
    while let Ok(Message::Line(line)) = waiting.recv() {
        // The reader may be gone for ever or come back; a lost line is no reason to stop.
        let _ = out.write_all(&line);
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ =
                writeln!(out, "{lost} log lines were dropped here, as the reader of the log did not keep up");
        }
    }
}

impl Write for Lines {
    /// One call is one event.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
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
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let out = Shared::default();
        let (mut lines, flush) = background(out.clone());
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
        let (mut lines, flush) = background(Stalled { began, go_on, out: out.clone() });
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
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_reader_that_is_gone_ends_nothing() {
        let (mut lines, flush) = background(Broken);
        for _ in 0..10 {
            lines.write_all(b"line\n").unwrap();
        }
        drop(flush);
    }
}

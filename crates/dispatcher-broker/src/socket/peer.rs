//! One client of the service, from its acceptance to its end: lines in, replies out.
//!
//! Replies are written at once by whoever has them; only what the connection does not take is left to the client's
//! own task. While much is left, no more is read of this client. Nobody else ever waits for it.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::lines::{BadLine, Lines};
use super::tally::Refusal;
use super::{MAX_LINE, PATIENCE};
use crate::{BrokerError, Delivery, FromBroker, Sink};

/// With more bytes than this waiting to be read by the client, its own lines wait too.
const PAUSE: usize = 64 * 1024;

/// With more bytes than this waiting, it gets no further reply. One reply alone may be longer.
const MAX_WAITING: usize = 1024 * 1024;

/// How much is read at a time.
const READ: usize = 16 * 1024;

/// The connection, as those who reply and the client's own task share it.
#[derive(Debug)]
pub(super) struct Peer {
    stream: UnixStream,
    outgoing: Mutex<Outgoing>,
    /// Tells the client's task that `outgoing` is another than it was.
    changed: Notify,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    /// When the connection last took something, or when the first of what waits was said.
    moved: Instant,
    end: End,
}

/// How it stands with the end of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More may come.
    Open,
    /// Nothing more comes: once everything is sent, it is over.
    Complete,
    /// The client does not read.
    Overfull,
    /// The client is gone.
    Broken,
}

impl Peer {
    pub(super) fn new(stream: UnixStream) -> Self {
        let outgoing = Outgoing { bytes: Vec::new(), sent: 0, moved: Instant::now(), end: End::Open };
        Self { stream, outgoing: Mutex::new(outgoing), changed: Notify::new() }
    }

    /// Sends lines, now or as soon as the client takes them; false when it will never get them.
    pub(super) fn say(&self, lines: &[u8]) -> bool {
        let mut outgoing = self.outgoing();
        if outgoing.end == End::Open && outgoing.waiting() > MAX_WAITING {
            outgoing.end = End::Overfull;
        } else if outgoing.end == End::Open {
            if outgoing.waiting() == 0 {
                outgoing.moved = Instant::now();
            }
            outgoing.bytes.extend_from_slice(lines);
            outgoing.flush(&self.stream);
        }
        if outgoing.waiting() > 0 || outgoing.end != End::Open {
            self.changed.notify_one();
        }
        matches!(outgoing.end, End::Open)
    }

    /// Nothing more will be said.
    pub(super) fn end(&self) {
        let mut outgoing = self.outgoing();
        if outgoing.end == End::Open {
            outgoing.end = End::Complete;
        }
        self.changed.notify_one();
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing {
    fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Sends what the connection takes.
    fn flush(&mut self, stream: &UnixStream) {
        while self.sent < self.bytes.len() {
            match stream.try_write(&self.bytes[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.moved = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.end = End::Broken;
                    break;
                }
            }
        }
        self.sent = 0;
        if self.bytes.capacity() > PAUSE {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }
}

/// Why a client's connection is over.
#[derive(Debug)]
pub(super) enum Over {
    /// It left, and there is nothing to tell it.
    Left,
    /// It went beyond a bound.
    Refused(Refusal, String),
    /// Nobody takes its lines any more.
    Closed,
}

impl From<BadLine> for Over {
    fn from(bad: BadLine) -> Self {
        match bad {
            BadLine::TooLong => {
                Self::Refused(Refusal::LineTooLong, format!("a line has {MAX_LINE} bytes at most"))
            }
            BadLine::NotUtf8 => Self::Refused(Refusal::NotUtf8, String::new()),
        }
    }
}

impl From<BrokerError> for Over {
    fn from(_: BrokerError) -> Self {
        Self::Closed
    }
}

/// The client's own task.
pub(super) struct Tending {
    pub(super) peer: Arc<Peer>,
    /// Its number, which stands for a channel.
    pub(super) channel: Arc<str>,
    pub(super) sink: Sink,
    lines: Lines,
    /// Whether nothing more is read of it. It may still have replies to get.
    ended: bool,
    /// Why, if it did not end by itself.
    bad: Option<BadLine>,
    /// When something was last read of it.
    heard: Instant,
}

impl Tending {
    pub(super) fn new(peer: Arc<Peer>, channel: Arc<str>, sink: Sink) -> Self {
        Self { peer, channel, sink, lines: Lines::default(), ended: false, bad: None, heard: Instant::now() }
    }

    /// Reads and writes until it is over.
    pub(super) async fn run(mut self) -> Over {
        let over = self.until_over().await;
        self.bad.map_or(over, Over::from)
    }

    async fn until_over(&mut self) -> Over {
        loop {
            let (waiting, deadline) = match self.standing() {
                Ok(standing) => standing,
                Err(over) => return over,
            };
            let peer = Arc::clone(&self.peer);
            let happened = tokio::select! {
                ready = peer.stream.readable(), if !self.ended && waiting <= PAUSE => match ready {
                    Ok(()) => self.read().await,
                    Err(_) => Err(Over::Left),
                },
                ready = peer.stream.writable(), if waiting > 0 => {
                    peer.outgoing().flush(&peer.stream);
                    ready.map_err(|_| Over::Left)
                }
                () = peer.changed.notified() => Ok(()),
                () = until(deadline) => Err(self.late(waiting)),
            };
            if let Err(over) = happened {
                return over;
            }
        }
    }

    /// What waits to be sent, and by when something has to happen; an error when it is over.
    fn standing(&self) -> Result<(usize, Option<Instant>), Over> {
        let outgoing = self.peer.outgoing();
        let waiting = outgoing.waiting();
        match outgoing.end {
            End::Broken => return Err(Over::Left),
            End::Complete if waiting == 0 => return Err(Over::Left),
            End::Overfull => return Err(self.late(waiting)),
            _ => {}
        }
        let since = if waiting > 0 {
            Some(outgoing.moved)
        } else {
            (self.ended || !self.lines.is_empty()).then_some(self.heard)
        };
        Ok((waiting, since.map(|since| since + PATIENCE)))
    }

    fn late(&self, waiting: usize) -> Over {
        if waiting > 0 {
            Over::Refused(Refusal::SlowReader, format!("{waiting} bytes wait for it"))
        } else if self.ended {
            Over::Left
        } else {
            Over::Refused(Refusal::IdleInLine, format!("nothing came for {} s", PATIENCE.as_secs()))
        }
    }

    /// Takes what is there and hands over the lines that are whole.
    async fn read(&mut self) -> Result<(), Over> {
        let last = match read(&self.peer.stream, &mut self.lines) {
            Ok(more) => !more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(Over::Left),
        };
        while let Some(payload) = self.line(last) {
            let delivery = Delivery { channel: Arc::clone(&self.channel), payload, handle: 0 };
            self.sink.send(FromBroker::Delivery(delivery)).await?;
        }
        if last || self.bad.is_some() {
            self.ended = true;
            self.sink.send(FromBroker::Ended(Arc::clone(&self.channel))).await?;
        }
        // What was not read while the sink was full is not the client's delay.
        self.heard = Instant::now();
        Ok(())
    }

    /// The next line; after the last bytes, one without an end too.
    fn line(&mut self, last: bool) -> Option<String> {
        let line = match self.lines.next() {
            Ok(None) if last => self.lines.rest(),
            line => line,
        };
        line.unwrap_or_else(|bad| {
            self.bad = Some(bad);
            None
        })
    }
}

/// Reads once without waiting; false at the end.
pub(super) fn read(stream: &UnixStream, lines: &mut Lines) -> io::Result<bool> {
    let mut bytes = [0; READ];
    let count = stream.try_read(&mut bytes)?;
    lines.push(&bytes[..count]);
    Ok(count > 0)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

//! The end of a service: it lets clients in, gives each a number, and finds it again when there is a reply.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::peer::{Over, Peer, Tending};
use super::place::Place;
use super::tally::{Refusal, Tally};
use super::{MAX_CLIENTS, MAX_PAYLOAD, socket_path, write_lines};
use crate::{BoxFuture, Broker, BrokerError, FromBroker, Options, Publish, Sink};

/// The pause after a client could not be let in: whatever is missing (mostly file descriptors) comes back only when
/// something else ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client waits for a place when all are taken. Those who only leave a message are gone in a moment, so
/// many of them at once lose nothing. When nobody has left for so long, the next ones do not wait at all: each would keep
/// those behind it from being heard.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// The broker `socket` in a service.
#[derive(Debug)]
pub struct SocketServer {
    path: PathBuf,
    peers: Arc<Peers>,
    tally: Arc<Tally>,
}

/// The clients that are connected.
#[derive(Debug, Default)]
struct Peers(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// How many there have been; a number is never used twice, so no reply finds the wrong client.
    count: u64,
    by_number: HashMap<u64, Arc<Peer>>,
}

impl Peers {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a new client; none when there are too many.
    fn admit(self: &Arc<Self>, stream: UnixStream) -> Option<(Seat, Arc<Peer>)> {
        let mut open = self.open();
        if open.by_number.len() >= MAX_CLIENTS {
            return None;
        }
        let number = open.count;
        open.count += 1;
        let peer = Arc::new(Peer::new(stream));
        open.by_number.insert(number, Arc::clone(&peer));
        Some((Seat { peers: Arc::clone(self), number }, peer))
    }

    fn is_full(&self) -> bool {
        self.open().by_number.len() >= MAX_CLIENTS
    }

    fn find(&self, channel: &str) -> Option<Arc<Peer>> {
        self.open().by_number.get(&channel.parse::<u64>().ok()?).cloned()
    }
}

/// A client's place among the others, free again when this is dropped.
struct Seat {
    peers: Arc<Peers>,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.peers.open().by_number.remove(&self.number);
    }
}

impl SocketServer {
    /// Checks the options; binds nothing.
    pub fn new(options: Options) -> Result<Self, BrokerError> {
        let path = socket_path(options)?;
        Ok(Self { tally: Arc::new(Tally::new(path.clone())), path, peers: Arc::default() })
    }

    async fn serve(&self, sink: Sink) -> Result<Infallible, BrokerError> {
        let place = Place::take(&self.path).await?;
        sink.send(FromBroker::Listening).await?;
        // They end with the session.
        let mut clients = JoinSet::new();
        let mut full_since = None;
        loop {
            tokio::select! {
                accepted = place.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.make_room(&mut clients, &mut full_since).await;
                        self.welcome(stream, &sink, &mut clients);
                    }
                    Err(error) => {
                        self.tally.note(Refusal::AcceptFailed, &error.to_string());
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = clients.join_next() => {}
                () = sink.closed() => return Err(BrokerError::Closed),
            }
        }
    }

    /// Waits until a client leaves, if there are as many as there may be; not for ever.
    async fn make_room(&self, clients: &mut JoinSet<()>, full_since: &mut Option<Instant>) {
        if self.peers.is_full() {
            let since = *full_since.get_or_insert_with(Instant::now);
            let leaving = async { while self.peers.is_full() && clients.join_next().await.is_some() {} };
            // Whoever comes next finds out whether there is room now.
            let _ = timeout_at(since + ROOM_WAIT, leaving).await;
        }
        if !self.peers.is_full() {
            *full_since = None;
        }
    }

    fn welcome(&self, stream: UnixStream, sink: &Sink, clients: &mut JoinSet<()>) {
        let Some((seat, peer)) = self.peers.admit(stream) else {
            return self.tally.note(Refusal::TooManyClients, &format!("{MAX_CLIENTS} at most"));
        };
        let client = seat.number;
        debug!(target: "dispatcher.broker", client, "a client of the socket is connected");
        let (tally, sink) = (Arc::clone(&self.tally), sink.clone());
        clients.spawn(async move {
            let _seat = seat;
            let over = Tending::new(peer, Arc::from(client.to_string()), sink).run().await;
            if let Over::Refused(refusal, detail) = over {
                tally.note(refusal, &detail);
            }
            debug!(target: "dispatcher.broker", client, "a client of the socket is gone");
        });
    }
}

impl Broker for SocketServer {
    fn name(&self) -> &'static str {
        "socket"
    }

    fn channels(&self) -> &[Arc<str>] {
        &[]
    }

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    fn listen(&self, sink: Sink) -> BoxFuture<'_, BrokerError> {
        Box::pin(async move {
            let Err(error) = self.serve(sink).await;
            error
        })
    }

    fn publisher(&self) -> Box<dyn Publish> {
        Box::new(Replies { peers: Arc::clone(&self.peers) })
    }

    fn reply_channel<'a>(&self, came_by: &'a str, _named: &'a str) -> &'a str {
        came_by
    }

    fn refusals(&self) -> Vec<(&'static str, u64)> {
        self.tally.counts()
    }
}

/// Sends to clients by their numbers. Never waits.
struct Replies {
    peers: Arc<Peers>,
}

impl Replies {
    fn send(&self, channel: &str, payloads: &[String]) -> Result<(), BrokerError> {
        let rejected =
            |reason: &str| BrokerError::Rejected { channel: channel.to_owned(), reason: reason.to_owned() };
        let mut lines = Vec::new();
        write_lines(channel, payloads, &mut lines)?;
        let peer = self.peers.find(channel).ok_or_else(|| rejected("this client has left"))?;
        if peer.say(&lines) { Ok(()) } else { Err(rejected("this client has left or does not read")) }
    }
}

impl Publish for Replies {
    fn publish<'a>(
        &'a mut self,
        channel: &'a str,
        payloads: &'a [String],
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move { self.send(channel, payloads) })
    }

    fn end(&mut self, channel: &str) {
        if let Some(peer) = self.peers.find(channel) {
            peer.end();
        }
    }
}

//! A socket of its own for each test, a service that echoes, and clients of plain bytes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::{
    Broker, BrokerError, Delivery, FromBroker, Options, Sink, SocketClient, SocketServer,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for a busy machine; no test waits for it when all is well.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

pub(crate) struct Home(pub(crate) TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("socket")
    }

    pub(crate) fn options(&self) -> Options {
        Options { socket_path: Some(self.path()), ..Options::default() }
    }

    pub(crate) fn client(&self) -> SocketClient {
        SocketClient::new(self.options()).unwrap()
    }

    pub(crate) async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path()).await.unwrap()
    }
}

/// A service that only hears, until it is told to answer.
pub(crate) struct Service {
    pub(crate) broker: Arc<SocketServer>,
    inbox: mpsc::Receiver<(u16, FromBroker)>,
    pub(crate) session: JoinHandle<BrokerError>,
}

impl Service {
    pub(crate) fn start(home: &Home) -> Self {
        let broker = Arc::new(SocketServer::new(home.options()).unwrap());
        let (sender, inbox) = mpsc::channel(8);
        let listening = Arc::clone(&broker);
        let session = tokio::spawn(async move { listening.listen(Sink::new(0, sender)).await });
        Self { broker, inbox, session }
    }

    pub(crate) async fn ready(home: &Home) -> Self {
        let mut service = Self::start(home);
        assert_eq!(service.next().await, Some(FromBroker::Listening));
        service
    }

    pub(crate) async fn next(&mut self) -> Option<FromBroker> {
        let next = timeout(WAIT, self.inbox.recv()).await.expect("something comes in time");
        next.map(|(_, what)| what)
    }

    pub(crate) async fn delivery(&mut self) -> Delivery {
        loop {
            match self.next().await {
                Some(FromBroker::Delivery(delivery)) => return delivery,
                Some(_) => {}
                None => panic!("the session ended"),
            }
        }
    }

    pub(crate) async fn reason(self) -> BrokerError {
        timeout(WAIT, self.session).await.expect("it ends in time").unwrap()
    }

    /// Answers every line with itself, and ends what has ended, as a service does.
    pub(crate) fn echo(mut self) -> (Arc<SocketServer>, JoinHandle<()>) {
        let broker = Arc::clone(&self.broker);
        let echoing = tokio::spawn(async move {
            let mut publisher = self.broker.publisher();
            while let Some((_, what)) = self.inbox.recv().await {
                match what {
                    FromBroker::Delivery(line) => {
                        // A client that is gone gets no answer.
                        let _ = publisher.publish(&line.channel, &[line.payload]).await;
                    }
                    FromBroker::Ended(channel) => publisher.end(&channel),
                    FromBroker::Listening => {}
                }
            }
        });
        (broker, echoing)
    }
}

pub(crate) fn count(broker: &SocketServer, reason: &str) -> u64 {
    broker.refusals().into_iter().find(|(name, _)| *name == reason).unwrap().1
}

/// Everything that comes until the service closes the connection.
pub(crate) async fn rest(stream: &mut UnixStream) -> String {
    let mut got = Vec::new();
    // A service that closes with something unread resets the connection, which is an end too.
    let _ = timeout(WAIT, stream.read_to_end(&mut got)).await.expect("it is closed in time");
    String::from_utf8(got).unwrap()
}

pub(crate) async fn asks_and_is_answered(stream: &mut UnixStream) {
    stream.write_all(b"ping\n").await.unwrap();
    let mut got = [0; 5];
    timeout(WAIT, stream.read_exact(&mut got)).await.expect("an answer in time").unwrap();
    assert_eq!(&got, b"ping\n");
}

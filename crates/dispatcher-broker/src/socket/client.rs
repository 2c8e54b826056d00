//! The end of whoever speaks to a service: one connection that hears and sends while it listens, one of its own for
//! each publisher otherwise.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::sleep;

use super::lines::Lines;
use super::peer::read;
use super::{MAX_PAYLOAD, socket_path, write_lines};
use crate::{BoxFuture, Broker, BrokerError, Delivery, FromBroker, Options, Publish, Sink};

/// The pause before the next attempt when the queue of clients is full; there is nothing to wait on but time.
const KNOCK_AGAIN: Duration = Duration::from_millis(10);

/// The broker `socket` in a client.
#[derive(Debug)]
pub struct SocketClient {
    path: Arc<Path>,
    line: Arc<OpenLine>,
}

/// The connection of the session that listens, for requests whose replies have to come by it. Whoever sends takes it
/// out for that long, so that a line given up in the middle is never followed by another.
#[derive(Debug, Default)]
struct OpenLine(Mutex<Weak<UnixStream>>);

impl OpenLine {
    fn set(&self, stream: Weak<UnixStream>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stream;
    }

    fn take(&self) -> Option<Arc<UnixStream>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).upgrade()
    }
}

impl SocketClient {
    /// Checks the options; connects to nothing.
    pub fn new(options: Options) -> Result<Self, BrokerError> {
        Ok(Self { path: socket_path(options)?.into(), line: Arc::default() })
    }

    async fn hear(&self, sink: &Sink) -> Result<Infallible, BrokerError> {
        let stream = Arc::new(connect(&self.path).await?);
        self.line.set(Arc::downgrade(&stream));
        sink.send(FromBroker::Listening).await?;
        let channel: Arc<str> = Arc::from("0");
        let mut lines = Lines::default();
        loop {
            tokio::select! {
                ready = stream.readable() => ready.map_err(|error| lost(&self.path, error.to_string()))?,
                () = sink.closed() => return Err(BrokerError::Closed),
            }
            match read(&stream, &mut lines) {
                Ok(true) => {}
                Ok(false) => return Err(lost(&self.path, "the service closed the connection".to_owned())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(lost(&self.path, error.to_string())),
            }
            let bad = |_| lost(&self.path, "what came over it is no line of text".to_owned());
            while let Some(payload) = lines.next().map_err(bad)? {
                let delivery = Delivery { channel: Arc::clone(&channel), payload, handle: 0 };
                sink.send(FromBroker::Delivery(delivery)).await?;
            }
        }
    }
}

impl Broker for SocketClient {
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
            let Err(error) = self.hear(&sink).await;
            error
        })
    }

    fn publisher(&self) -> Box<dyn Publish> {
        Box::new(Sender { path: Arc::clone(&self.path), line: Arc::clone(&self.line), own: None })
    }
}

struct Sender {
    path: Arc<Path>,
    line: Arc<OpenLine>,
    own: Option<UnixStream>,
}

impl Sender {
    async fn send(&mut self, channel: &str, payloads: &[String]) -> Result<(), BrokerError> {
        let mut bytes = Vec::new();
        write_lines(channel, payloads, &mut bytes)?;
        if let Some(stream) = self.line.take() {
            write(&stream, &bytes, &self.path).await?;
            self.line.set(Arc::downgrade(&stream));
            return Ok(());
        }
        let stream = match self.own.take() {
            Some(stream) => stream,
            None => connect(&self.path).await?,
        };
        write(&stream, &bytes, &self.path).await?;
        self.own = Some(stream);
        Ok(())
    }
}

impl Publish for Sender {
    fn publish<'a>(
        &'a mut self,
        channel: &'a str,
        payloads: &'a [String],
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.send(channel, payloads))
    }
}

/// Connects; waits while the service's queue of clients is full, as it is the caller who knows for how long.
async fn connect(path: &Path) -> Result<UnixStream, BrokerError> {
    loop {
        let error = match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let reason = match error.kind() {
            ErrorKind::WouldBlock => {
                sleep(KNOCK_AGAIN).await;
                continue;
            }
            ErrorKind::NotFound => "there is no such socket".to_owned(),
            ErrorKind::ConnectionRefused => "no service listens there any more".to_owned(),
            _ => error.to_string(),
        };
        return Err(BrokerError::Unreachable { target: path.display().to_string(), reason });
    }
}

async fn write(stream: &UnixStream, mut bytes: &[u8], path: &Path) -> Result<(), BrokerError> {
    while !bytes.is_empty() {
        let written = match stream.try_write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await.map(|()| 0),
            other => other,
        };
        let count = written.map_err(|error| lost(path, error.to_string()))?;
        bytes = &bytes[count..];
    }
    Ok(())
}

fn lost(path: &Path, reason: String) -> BrokerError {
    BrokerError::Lost { target: path.display().to_string(), reason }
}

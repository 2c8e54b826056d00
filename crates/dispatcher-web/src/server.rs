//! The server: its address, its connections, and how long each may last.
//!
//! One request a connection. An address that is taken is asked for again and again, and the service goes on meanwhile.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::ask::Ask;
use crate::head::{self, Refusal};
use crate::routes::{self, Desk};
use crate::status::{Counted, Status};

/// Connections at once; the next ones wait in the kernel.
const CONNECTIONS: usize = 100;

/// How long a request may take to come, as in dispatcherd.
const HEAD: Duration = Duration::from_secs(5);

/// How long its answer may take to be made and to be taken.
const ANSWER: Duration = Duration::from_secs(10);

/// The wait before an address that is taken is asked for again: at first, and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// The wait after the system refused a connection, for want of descriptors say.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address; every address that it stands for is listened on.
    pub host: String,
    /// The port; 0 is any free one.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Serves for ever. Questions go to `asks`. Dropping the future closes everything.
pub async fn serve<T: From<Ask> + Send + 'static>(
    address: Address,
    status: Arc<Status>,
    asks: mpsc::Sender<T>,
) {
    let listeners = listen(&address).await;
    status.set_listening();
    let router = routes::router(Desk { asks, status: Arc::clone(&status) });
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(accept(listener, router.clone(), Arc::clone(&status), Arc::clone(&room)));
    }
    doors.join_all().await;
}

/// Listens on everything that the host stands for; tries until it can.
async fn listen(address: &Address) -> Vec<TcpListener> {
    let mut retry = FIRST_RETRY;
    loop {
        match bind(address).await {
            Ok(listeners) => {
                for place in listeners.iter().filter_map(|listener| listener.local_addr().ok()) {
                    announce(place);
                }
                return listeners;
            }
            Err(why) => {
                error!(
                    target: "dispatcher.web",
                    "no metrics and no health on {address}: {why}; the service goes on, next try in {} s",
                    retry.as_secs()
                );
                sleep(retry).await;
                retry = (retry * 2).min(LONGEST_RETRY);
            }
        }
    }
}

/// All or nothing, but for a family of addresses that this machine does not have.
async fn bind(address: &Address) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut absent = None;
    for mut place in lookup_host((address.host.as_str(), address.port)).await? {
        if let Some(first) = listeners.first() {
            place.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(place).await {
            Ok(listener) => listeners.push(listener),
            Err(why) if why.kind() == io::ErrorKind::AddrNotAvailable => absent = Some(why),
            Err(why) => return Err(why),
        }
    }
    match absent {
        Some(why) if listeners.is_empty() => Err(why),
        _ => Ok(listeners),
    }
}

fn announce(place: SocketAddr) {
    info!(target: "dispatcher.web", "metrics and health on http://{place}/");
    if !place.ip().is_loopback() {
        warn!(
            target: "dispatcher.web",
            "{place} is not loopback: whoever reaches it can read task names and figures without a password"
        );
    }
}

/// Takes connections while there is room for them.
async fn accept(listener: TcpListener, router: Router, status: Arc<Status>, room: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    loop {
        // Never closed, so there is always a permit to wait for.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (router, status) = (router.clone(), Arc::clone(&status));
                connections.spawn(async move {
                    converse(stream, router, &status).await;
                    drop(place);
                });
            }
            Err(why) => {
                warn!(target: "dispatcher.web", "a connection could not be taken: {why}");
                sleep(ACCEPT_RETRY).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One connection: one request, one answer.
async fn converse(stream: TcpStream, router: Router, status: &Status) {
    status.count(Counted::Connection);
    let (mut read, mut write) = stream.into_split();
    let head = match timeout(HEAD, head::read(&mut read)).await {
        Ok(Ok(head)) => head,
        Ok(Err(Refusal::Left)) => return status.count(Counted::Disconnect),
        Ok(Err(Refusal::Bad)) => {
            status.count(Counted::BadRequest);
            return refuse(&mut write, "400 Bad Request").await;
        }
        Ok(Err(Refusal::TooLong)) => {
            status.count(Counted::BadRequest);
            return refuse(&mut write, "431 Request Header Fields Too Large").await;
        }
        Err(_) => {
            status.count(Counted::Timeout);
            return refuse(&mut write, "408 Request Timeout").await;
        }
    };
    let whole = tokio::io::join(head.as_slice().chain(read), write);
    let answer = http1::Builder::new()
        .keep_alive(false)
        .half_close(true)
        .serve_connection(TokioIo::new(whole), TowerToHyperService::new(router));
    match timeout(ANSWER, answer).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => {
            debug!(target: "dispatcher.web", "a request came to nothing: {why}");
            status.count(if why.is_parse() { Counted::BadRequest } else { Counted::Disconnect });
        }
        Err(_) => status.count(Counted::Timeout),
    }
}

/// Says why a request goes no further. Whoever does not read it had its chance.
async fn refuse(write: &mut (impl AsyncWriteExt + Unpin), line: &str) {
    let body = line.split_once(' ').map_or(line, |(_, words)| words);
    let answer = format!(
        "HTTP/1.1 {line}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let said = async {
        write.write_all(answer.as_bytes()).await?;
        write.shutdown().await
    };
    let _ = timeout(ANSWER, said).await;
}

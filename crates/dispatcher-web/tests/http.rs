//! The server over real sockets, with somebody behind it who answers, or does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dispatcher_web::{Address, Ask, Health, Status, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. Everything ends with it.
struct Served {
    place: SocketAddr,
    status: Arc<Status>,
    _tasks: JoinSet<()>,
}

/// A port that is taken.
async fn taken() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("some port is free")
}

/// Somewhere that nobody listens now.
async fn free() -> SocketAddr {
    taken().await.local_addr().expect("it has an address")
}

async fn server(answer: impl Fn(Ask) + Send + 'static) -> Served {
    server_at(free().await, answer).await
}

async fn server_at(place: SocketAddr, answer: impl Fn(Ask) + Send + 'static) -> Served {
    let (asks, mut asked) = mpsc::channel::<Ask>(8);
    let status = Arc::new(Status::default());
    let mut tasks = JoinSet::new();
    let address = Address { host: place.ip().to_string(), port: place.port() };
    tasks.spawn(serve(address, Arc::clone(&status), asks));
    tasks.spawn(async move {
        while let Some(ask) = asked.recv().await {
            answer(ask);
        }
    });
    let served = Served { place, status, _tasks: tasks };
    served.until(Status::is_listening).await;
    served
}

impl Served {
    async fn until(&self, probe: impl Fn(&Status) -> bool) {
        let wait = async {
            while !probe(&self.status) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("it comes true");
    }

    /// Everything that comes back for these bytes.
    async fn exchange(&self, request: &str) -> String {
        let talk = async {
            let mut stream = TcpStream::connect(self.place).await.expect("a connection");
            stream.write_all(request.as_bytes()).await.expect("it takes the request");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("text");
            answer
        };
        timeout(PATIENCE, talk).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")).await
    }
}

/// Answers each question: not ready for this reason, or ready.
fn knows(missing: &'static [&'static str]) -> impl Fn(Ask) + Send {
    move |ask| match ask {
        Ask::Metrics { all, answer } => drop(answer.send(if all { "all\n" } else { "three\n" }.to_owned())),
        Ask::Health(answer) => {
            let missing = missing.iter().map(|what| (*what).to_owned()).collect();
            drop(answer.send(Health { missing }));
        }
    }
}

#[tokio::test]
async fn ready_and_not_ready_say_so_in_code_and_body() {
    let ready = server(knows(&[])).await.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200 OK\r\n") && ready.ends_with(r#"{"status":"ready"}"#), "{ready}");
    let served = server(knows(&["no worker is ready"])).await;
    let not = served.get("/readyz").await;
    assert!(not.starts_with("HTTP/1.1 503 "), "{not}");
    assert!(not.ends_with(r#"{"status":"unavailable","missing":["no worker is ready"]}"#), "{not}");
    let alive = served.get("/healthz").await;
    assert!(alive.ends_with(r#"{"status":"ok"}"#), "{alive}");
}

#[tokio::test]
async fn nobody_who_answers_is_no_health_and_no_metrics() {
    let served = server(drop).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = served.get(path).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    let silent = server(std::mem::forget).await.get("/healthz").await;
    assert!(silent.contains("has not answered within 2 s"), "{silent}");
    assert_eq!(served.status.counts().internal_errors, 3);
}

#[tokio::test]
async fn metrics_are_all_for_whoever_accepts_something_and_three_for_a_bare_request() {
    let served = server(knows(&[])).await;
    let answer = served.get("/metrics").await;
    assert!(answer.ends_with("\r\n\r\nall\n"), "{answer}");
    for header in [
        "content-type: text/plain; version=0.0.4; charset=utf-8",
        "connection: close",
        "cache-control: no-store",
    ] {
        assert!(answer.contains(&format!("\r\n{header}\r\n")), "{answer}");
    }
    let bare = served.exchange("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(bare.ends_with("\r\n\r\nthree\n"), "{bare}");
    assert_eq!(served.status.counts().metrics_served, 2);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_whatever_the_method() {
    let served = server(knows(&[])).await;
    for request in ["GET /", "POST /metrics", "HEAD /metrics", "DELETE /readyz", "GET /metrics/../healthz"] {
        let answer = served.exchange(&format!("{request} HTTP/1.1\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{request}: {answer}");
    }
    assert_eq!(served.status.counts().not_found, 5);
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let served = server(knows(&[])).await;
    let answer = served.exchange(&format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(8 * 1024 - 26))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = served.exchange("GET /metrics HTTP/1.1\r\nno header at all\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(served.status.counts().bad_requests, 2);
}

#[tokio::test]
async fn a_hundred_connections_are_the_most_and_the_next_is_served_when_one_leaves() {
    let served = server(knows(&[])).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(TcpStream::connect(served.place).await.expect("a connection"));
    }
    served.until(|status| status.counts().connections == 100).await;
    let next = served.get("/readyz");
    tokio::pin!(next);
    assert!(timeout(Duration::from_millis(100), &mut next).await.is_err(), "there is no room for it");
    held.pop();
    assert!(next.await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_address_that_is_taken_is_served_when_it_becomes_free() {
    let taken = taken().await;
    let place = taken.local_addr().expect("it has an address");
    let waiting = tokio::spawn(server_at(place, knows(&[])));
    sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    drop(taken);
    let served = timeout(PATIENCE, waiting).await.expect("it has its address").expect("it runs");
    assert!(served.get("/readyz").await.starts_with("HTTP/1.1 200 "));
}

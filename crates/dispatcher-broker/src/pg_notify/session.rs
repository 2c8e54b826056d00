//! One connection, driven by whoever uses it: no task of its own runs behind it.
//!
//! Never opens a transaction. Notifications that arrive while a request is under way are kept for the listener.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::noop_waker;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, Notification, SimpleQueryMessage};

use super::connect::explain;
use super::login::Watched;
use super::socket::Socket;
use super::tls::Encrypted;
use crate::BrokerError;

/// How long one statement may take. Each is a matter of microseconds; only a server that is stopped or cut off
/// needs longer.
const STATEMENT: Duration = Duration::from_secs(10);

/// All payloads in one statement and one transaction: a single round trip, a single commit.
const NOTIFY: &str = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload";

/// The same for one payload.
const NOTIFY_ONE: &str = "SELECT pg_notify($1, $2)";

pub(super) type Line = Connection<Watched<Socket>, Watched<Encrypted>>;

/// An open connection.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) line: Line,
    /// What was heard during requests.
    pub(super) heard: VecDeque<Notification>,
    target: String,
    /// The server's process as the login named it, and as the server itself does.
    login_pid: i32,
    server_pid: Option<i32>,
}

impl Session {
    pub(super) fn new(client: Client, line: Line, target: String, login_pid: i32) -> Self {
        Self { client, line, heard: VecDeque::new(), target, login_pid, server_pid: None }
    }

    /// Where it leads, for messages.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn set_server_pid(&mut self, pid: Option<i32>) {
        self.server_pid = pid;
    }

    /// A pooler stands between: the process that answers is not the one that the login named.
    pub(super) fn is_pooled(&self) -> bool {
        self.server_pid != Some(self.login_pid)
    }

    /// Runs statements without parameters.
    pub(super) async fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, BrokerError> {
        let Self { client, line, heard, target, .. } = self;
        let request = client.simple_query(sql);
        within_time(target, drive(line, heard, request)).await?.map_err(|broken| broken.lost(target))
    }

    /// Sends payloads. The outer error is the end of the session; the inner one is the server's answer.
    pub(super) async fn notify(
        &mut self,
        channel: &str,
        payloads: &[&str],
    ) -> Result<Result<(), Error>, BrokerError> {
        let Self { client, line, heard, target, .. } = self;
        // Typed, so that nothing is prepared: a pooler may give the next statement to another server connection.
        let (one, many): ([_; 2], [_; 2]);
        // Most messages are alone, and a plain call is less for the server to plan.
        let (statement, arguments): (&str, &[(&(dyn ToSql + Sync), Type)]) = if let [payload] = payloads {
            one = [(&channel as &(dyn ToSql + Sync), Type::TEXT), (payload, Type::TEXT)];
            (NOTIFY_ONE, &one)
        } else {
            many = [(&channel as &(dyn ToSql + Sync), Type::TEXT), (&payloads, Type::TEXT_ARRAY)];
            (NOTIFY, &many)
        };
        let request = client.query_typed(statement, arguments);
        match within_time(target, drive(line, heard, request)).await? {
            Ok(_) => Ok(Ok(())),
            Err(Broken(Some(error))) if error.as_db_error().is_some() && !client.is_closed() => {
                Ok(Err(error))
            }
            Err(broken) => Err(broken.lost(target)),
        }
    }

    /// Waits for the next notification.
    pub(super) async fn next(&mut self) -> Result<Notification, BrokerError> {
        if let Some(notification) = self.heard.pop_front() {
            return Ok(notification);
        }
        poll_fn(|cx| poll_notification(&mut self.line, cx)).await.map_err(|broken| broken.lost(&self.target))
    }

    /// Whether the line is known to be broken, without waiting for anything.
    pub(super) fn is_broken(&mut self) -> bool {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        // Nobody listens on this session, so whatever is ready is a notice or the end.
        while let Poll::Ready(message) = self.line.poll_message(&mut cx) {
            if !matches!(message, Some(Ok(_))) {
                return true;
            }
        }
        false
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("target", &self.target).finish_non_exhaustive()
    }
}

/// The end of a line: what the driver says about it, if anything.
#[derive(Debug)]
pub(super) struct Broken(Option<Error>);

impl Broken {
    /// As an error of the session that led to `target`.
    pub(super) fn lost(&self, target: &str) -> BrokerError {
        let reason = self.0.as_ref().map_or_else(|| "connection closed".to_owned(), explain);
        BrokerError::Lost { target: target.to_owned(), reason }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(Some(error))
    }
}

/// The next notification; everything else the server says by itself is passed over.
pub(super) fn poll_notification(line: &mut Line, cx: &mut Context<'_>) -> Poll<Result<Notification, Broken>> {
    loop {
        match line.poll_message(cx) {
            Poll::Ready(Some(Ok(AsyncMessage::Notification(notification)))) => {
                return Poll::Ready(Ok(notification));
            }
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
            Poll::Ready(None) => return Poll::Ready(Err(Broken(None))),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Runs a request to its end while the line is read.
async fn drive<T>(
    line: &mut Line,
    heard: &mut VecDeque<Notification>,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, Broken> {
    let mut request = pin!(request);
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(done) = request.as_mut().poll(cx) {
                return Poll::Ready(done.map_err(Broken::from));
            }
            match poll_notification(line, cx) {
                Poll::Ready(Ok(notification)) => heard.push_back(notification),
                // The server's last words go to the request that was under way.
                Poll::Ready(Err(broken)) => {
                    return match request.as_mut().poll(cx) {
                        Poll::Ready(done) => Poll::Ready(done.map_err(Broken::from)),
                        Poll::Pending => Poll::Ready(Err(broken)),
                    };
                }
                Poll::Pending => return request.as_mut().poll(cx).map_err(Broken::from),
            }
        }
    })
    .await
}

async fn within_time<T>(target: &str, request: impl Future<Output = T>) -> Result<T, BrokerError> {
    timeout(STATEMENT, request).await.map_err(|_| BrokerError::Lost {
        target: target.to_owned(),
        reason: format!("no answer to a statement within {STATEMENT:?}"),
    })
}

//! One listening session: prove that the line delivers, LISTEN to every channel, forward until it breaks.
//!
//! One connection whatever the number of channels. It never opens a transaction, because a listener that sits in
//! one keeps the server from discarding notifications for anybody. While the sink is full, nothing is read.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_postgres::{Client, Notification, SimpleQueryMessage};

use super::connect::Connector;
use super::ident::quote_ident;
use super::publish::refusal;
use super::self_check::{Checker, Due, Record, private_channel};
use super::session::{Broken, Line, Session, poll_notification};
use crate::{BrokerError, Delivery, FromBroker, SelfCheck, Sink};

/// How long the first message to ourselves may take.
const FIRST_CHECK: Duration = Duration::from_secs(5);

/// What a session needs to know of its broker.
pub(super) struct Listening<'a> {
    pub(super) connector: &'a Connector,
    pub(super) channels: &'a [Arc<str>],
    pub(super) self_check: Option<SelfCheck>,
    pub(super) record: &'a Record,
}

impl Listening<'_> {
    /// Runs one session; returns why it ended.
    pub(super) async fn run(&self, sink: &Sink) -> Result<Infallible, BrokerError> {
        let mut session = self.connector.connect().await?;
        let private = private_channel();
        session.simple_query(&format!("LISTEN {}", quote_ident(&private)?)).await?;
        self.prove(&mut session, &private).await?;
        session.simple_query(&listen_statements(self.channels)?).await?;
        sink.send(FromBroker::Listening).await?;
        self.forward(session, &private, sink).await
    }

    /// A message to ourselves has to come back before anybody is told that we listen.
    async fn prove(&self, session: &mut Session, private: &str) -> Result<(), BrokerError> {
        let proof = async {
            let sent = if session.is_pooled() {
                // A pooler may answer on the server connection that happens to listen, and on no other. Only a
                // message from elsewhere shows whether this line is kept for us.
                self.connector.connect().await?.notify(private, &["0"]).await?
            } else {
                session.notify(private, &["0"]).await?
            };
            sent.map_err(|error| refusal(session.target(), private, &error))?;
            while session.next().await?.channel() != private {}
            Ok(())
        };
        let proof = timeout(FIRST_CHECK, proof).await;
        proof.unwrap_or_else(|_| {
            Err(BrokerError::CannotListen {
                target: session.target().to_owned(),
                reason: format!(
                    "a notification to itself did not come back within {FIRST_CHECK:?}; behind a pooler in \
                     transaction or statement mode, give this service a direct connection or one in session mode"
                ),
            })
        })
    }

    async fn forward(&self, session: Session, private: &str, sink: &Sink) -> Result<Infallible, BrokerError> {
        let target = session.target().to_owned();
        let Session { client, mut line, heard, .. } = session;
        let channels: HashSet<Arc<str>> = self.channels.iter().cloned().collect();
        let mut checker = Checker::new(self.self_check, Instant::now());
        for notification in heard {
            pass_on(&channels, &notification, sink).await?;
        }
        let mut asleep = Box::pin(sleep_until(checker.wakeup().unwrap_or_else(far_off)));
        let mut check: Option<Check<'_>> = None;
        let mut gone = Box::pin(sink.closed());
        loop {
            match happening(&mut line, &mut check, &mut gone, &mut asleep).await {
                Happening::Heard(notification) => {
                    if notification.channel() == private {
                        checker.answered(notification.payload(), Instant::now(), self.record);
                    } else {
                        pass_on(&channels, &notification, sink).await?;
                        checker.heard(Instant::now());
                    }
                }
                Happening::Late => match checker.due(Instant::now()) {
                    Due::Nothing => asleep.as_mut().reset(checker.wakeup().unwrap_or_else(far_off)),
                    Due::Send(number) => {
                        check = Some(send_check(&client, private, number));
                        asleep.as_mut().reset(checker.wakeup().unwrap_or_else(far_off));
                    }
                    Due::Deaf { silent } => {
                        self.record.failure();
                        return Err(deaf(target, silent));
                    }
                },
                Happening::Checked => check = None,
                Happening::Broken(broken) => return Err(broken.lost(&target)),
                Happening::Closed => return Err(BrokerError::Closed),
            }
        }
    }
}

/// A self-check whose statement the server has not answered yet.
type Check<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>> + Send + 'a>>;

/// What can happen to a session while it listens.
enum Happening {
    Heard(Notification),
    Checked,
    Late,
    Closed,
    Broken(Broken),
}

/// The next thing that happens. The line comes first: the rest is looked at only when it has nothing more.
async fn happening(
    line: &mut Line,
    check: &mut Option<Check<'_>>,
    gone: &mut Pin<Box<impl Future<Output = ()>>>,
    asleep: &mut Pin<Box<Sleep>>,
) -> Happening {
    poll_fn(|cx| {
        let heard = poll_notification(line, cx);
        if let Poll::Ready(Ok(notification)) = heard {
            return Poll::Ready(Happening::Heard(notification));
        }
        if let Some(Poll::Ready(answer)) = check.as_mut().map(|check| check.as_mut().poll(cx)) {
            // The server's last words go to the statement that was under way.
            return Poll::Ready(
                answer.map_or_else(|error| Happening::Broken(error.into()), |_| Happening::Checked),
            );
        }
        if let Poll::Ready(Err(broken)) = heard {
            return Poll::Ready(Happening::Broken(broken));
        }
        if gone.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Happening::Closed);
        }
        asleep.as_mut().poll(cx).map(|()| Happening::Late)
    })
    .await
}

fn send_check<'a>(client: &'a Client, private: &str, number: u64) -> Check<'a> {
    // The name is letters, digits and underscores of our own making.
    let statement = format!("SELECT pg_notify('{private}', '{number}')");
    Box::pin(async move { client.simple_query(&statement).await })
}

async fn pass_on(
    channels: &HashSet<Arc<str>>,
    notification: &Notification,
    sink: &Sink,
) -> Result<(), BrokerError> {
    let Some(channel) = channels.get(notification.channel()) else { return Ok(()) };
    let delivery =
        Delivery { channel: Arc::clone(channel), payload: notification.payload().to_owned(), handle: 0 };
    sink.send(FromBroker::Delivery(delivery)).await
}

fn listen_statements(channels: &[Arc<str>]) -> Result<String, BrokerError> {
    let mut statements = String::new();
    for channel in channels {
        statements.push_str("LISTEN ");
        statements.push_str(&quote_ident(channel)?);
        statements.push(';');
    }
    Ok(statements)
}

fn deaf(target: String, silent: Duration) -> BrokerError {
    let reason = format!("nothing came over it for {silent:?}, not even a message to itself");
    BrokerError::Lost { target, reason }
}

/// A time that does not come, for a timer that has nothing to wait for.
fn far_off() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}

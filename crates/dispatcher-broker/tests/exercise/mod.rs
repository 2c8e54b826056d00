//! What every broker must do. A new broker brings a [`Rig`] and one line in `conformance.rs`.

use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::{BoxFuture, Broker, BrokerError, Delivery, FromBroker, Sink, ask};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Long enough for a busy machine; no test waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// The bus of one test, and what can be done to it from outside.
pub(crate) trait Rig: Send + Sync {
    /// A service's end, which listens on these channels.
    fn broker(&self, channels: &[&str]) -> Arc<dyn Broker>;
    /// The end of whoever speaks to services; a bus with a third party in the middle has but one kind.
    fn client(&self, channels: &[&str]) -> Arc<dyn Broker> {
        self.broker(channels)
    }
    /// How many sessions of services are open.
    fn open_sessions(&self) -> BoxFuture<'_, usize>;
    /// Whether there is nothing to publish to while no service listens.
    fn needs_a_listener(&self) -> bool {
        false
    }
    /// Whether a payload is one line.
    fn is_of_lines(&self) -> bool {
        false
    }
}

/// A bus that is apart from those who use it.
pub(crate) trait Server: Rig {
    /// Ends all sessions of this rig's brokers.
    fn cut(&self) -> BoxFuture<'_, ()>;
    /// Whether new sessions are refused.
    fn refuse(&self, refuse: bool) -> BoxFuture<'_, ()>;
}

/// Makes a test of each behaviour for one broker; those that need channels or a server are named beside it.
#[macro_export]
macro_rules! exercise {
    ($broker:ident, $rig:expr $(, $more:ident)*) => {
        mod $broker {
            use super::*;
            $crate::exercise!(@each $rig,
                says_first_that_it_listens,
                brings_payloads_untouched_and_in_order,
                brings_equal_payloads_of_one_publish_each,
                brings_nothing_from_before_it_listened,
                waits_for_a_full_sink_and_loses_nothing,
                ends_when_its_receiver_is_gone,
                ends_when_its_future_is_dropped,
                rejects_a_payload_that_is_too_long,
                collects_the_replies_that_are_expected,
                collects_fewer_replies_when_time_is_up,
            );
            $($crate::exercise!(@$more $rig);)*
        }
    };
    (@channels $rig:expr) => {
        $crate::exercise!(@each $rig,
            brings_only_what_its_channels_carry,
            brings_to_every_listener,
            takes_any_channel_name_that_is_legal,
        );
    };
    (@server $rig:expr) => {
        $crate::exercise!(@each $rig,
            reports_a_cut_session_and_hears_again_in_the_next,
            reports_a_refused_session_and_works_when_let_in,
            publishes_again_after_a_cut,
        );
    };
    (@each $rig:expr, $($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let rig = $rig;
                $crate::exercise::$name(&rig).await;
            }
        )*
    };
}

struct Listener {
    inbox: mpsc::Receiver<(u16, FromBroker)>,
    session: JoinHandle<BrokerError>,
}

impl Listener {
    fn start(broker: Arc<dyn Broker>, room: usize) -> Self {
        let (sender, inbox) = mpsc::channel(room);
        let session = tokio::spawn(async move { broker.listen(Sink::new(3, sender)).await });
        Self { inbox, session }
    }

    async fn ready(broker: Arc<dyn Broker>, room: usize) -> Self {
        let mut listener = Self::start(broker, room);
        assert_eq!(listener.next().await, FromBroker::Listening);
        listener
    }

    async fn next(&mut self) -> FromBroker {
        match timeout(PATIENCE, self.inbox.recv()).await.expect("something comes in time") {
            Some((3, what)) => what,
            Some((id, what)) => panic!("{what:?} came with the id {id}"),
            None => panic!("the session ended: {}", (&mut self.session).await.unwrap()),
        }
    }

    async fn delivery(&mut self) -> Delivery {
        loop {
            match self.next().await {
                FromBroker::Delivery(delivery) => return delivery,
                FromBroker::Ended(_) => {}
                FromBroker::Listening => panic!("it said again that it listens"),
            }
        }
    }

    async fn payloads(&mut self, count: usize) -> Vec<String> {
        let mut payloads = Vec::new();
        for _ in 0..count {
            payloads.push(self.delivery().await.payload);
        }
        payloads
    }

    async fn reason(self) -> BrokerError {
        timeout(PATIENCE, self.session).await.expect("the session ends in time").unwrap()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

async fn publish(broker: &Arc<dyn Broker>, channel: &str, payloads: &[&str]) {
    broker.publisher().publish(channel, &texts(payloads)).await.unwrap();
}

pub(crate) async fn says_first_that_it_listens(rig: &impl Rig) {
    let mut listener = Listener::start(rig.broker(&["a"]), 8);
    assert_eq!(listener.next().await, FromBroker::Listening);
}

pub(crate) async fn brings_payloads_untouched_and_in_order(rig: &impl Rig) {
    let client = rig.client(&["a"]);
    let mut listener = Listener::ready(rig.broker(&["a"]), 64).await;
    let long = "ä".repeat(client.max_payload() / 2);
    let lines = if rig.is_of_lines() { "line\r\t\u{1}" } else { "line\nline\r\t\u{1}" };
    let odd = ["", " ", "{\"task\": \"x\"}", "'quoted' \"twice\" \\", lines, "💥\u{202e}é", &long];
    publish(&client, "a", &odd).await;
    assert_eq!(listener.payloads(odd.len()).await, odd);
    let mut publisher = client.publisher();
    for number in 0..50 {
        publisher.publish("a", &[number.to_string()]).await.unwrap();
    }
    let numbers: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(listener.payloads(50).await, numbers);
}

pub(crate) async fn brings_equal_payloads_of_one_publish_each(rig: &impl Rig) {
    let mut listener = Listener::ready(rig.broker(&["a"]), 8).await;
    publish(&rig.client(&["a"]), "a", &["x", "x", "y", "x"]).await;
    assert_eq!(listener.payloads(4).await, ["x", "x", "y", "x"]);
}

pub(crate) async fn brings_only_what_its_channels_carry(rig: &impl Rig) {
    let broker = rig.broker(&["a", "b"]);
    let mut listener = Listener::ready(Arc::clone(&broker), 8).await;
    for channel in ["A", "ab", "c", "b", "a"] {
        publish(&broker, channel, &["x"]).await;
    }
    assert_eq!(&*listener.delivery().await.channel, "b");
    assert_eq!(&*listener.delivery().await.channel, "a");
}

pub(crate) async fn brings_to_every_listener(rig: &impl Rig) {
    let broker = rig.broker(&["a"]);
    let mut first = Listener::ready(Arc::clone(&broker), 8).await;
    let mut second = Listener::ready(rig.broker(&["a"]), 8).await;
    publish(&broker, "a", &["x"]).await;
    assert_eq!(first.payloads(1).await, ["x"]);
    assert_eq!(second.payloads(1).await, ["x"]);
}

pub(crate) async fn brings_nothing_from_before_it_listened(rig: &impl Rig) {
    let client = rig.client(&["a"]);
    let early = client.publisher().publish("a", &texts(&["early"])).await;
    assert_eq!(early.is_err(), rig.needs_a_listener(), "{early:?}");
    let mut listener = Listener::ready(rig.broker(&["a"]), 8).await;
    publish(&client, "a", &["late"]).await;
    assert_eq!(listener.payloads(1).await, ["late"]);
}

pub(crate) async fn takes_any_channel_name_that_is_legal(rig: &impl Rig) {
    let longest = "x".repeat(63);
    let names = ["Jobs", "a b", "\"", "'; DROP TABLE x; --", "\\", "ünï-çødé", "%s", "*", &longest];
    let broker = rig.broker(&names);
    let mut listener = Listener::ready(Arc::clone(&broker), 8).await;
    for name in names {
        publish(&broker, name, &[name]).await;
        let delivery = listener.delivery().await;
        assert_eq!((&*delivery.channel, &*delivery.payload), (name, name));
    }
}

pub(crate) async fn waits_for_a_full_sink_and_loses_nothing(rig: &impl Rig) {
    let mut listener = Listener::ready(rig.broker(&["a"]), 1).await;
    let filler = "x".repeat(1000);
    let sent: Vec<_> = (0..1000).map(|number| format!("{number} {filler}")).collect();
    let (mut publisher, payloads) = (rig.client(&["a"]).publisher(), sent.clone());
    // Where nothing in the middle keeps what waits, the publisher waits too.
    let publishing = tokio::spawn(async move { publisher.publish("a", &payloads).await });
    assert_eq!(listener.payloads(sent.len()).await, sent);
    publishing.await.unwrap().unwrap();
}

pub(crate) async fn reports_a_cut_session_and_hears_again_in_the_next(rig: &impl Server) {
    let broker = rig.broker(&["a"]);
    let listener = Listener::ready(Arc::clone(&broker), 8).await;
    rig.cut().await;
    let reason = listener.reason().await;
    assert!(reason.is_retryable() && !reason.is_refused(), "{reason}");
    let mut listener = Listener::ready(Arc::clone(&broker), 8).await;
    publish(&broker, "a", &["x"]).await;
    assert_eq!(listener.payloads(1).await, ["x"]);
}

pub(crate) async fn reports_a_refused_session_and_works_when_let_in(rig: &impl Server) {
    let broker = rig.broker(&["a"]);
    rig.refuse(true).await;
    let reason = Listener::start(Arc::clone(&broker), 8).reason().await;
    assert!(reason.is_retryable(), "{reason}");
    let mut publisher = broker.publisher();
    assert!(publisher.publish("a", &texts(&["x"])).await.unwrap_err().is_retryable());
    rig.refuse(false).await;
    let mut listener = Listener::ready(Arc::clone(&broker), 8).await;
    publisher.publish("a", &texts(&["y"])).await.unwrap();
    assert_eq!(listener.payloads(1).await, ["y"]);
}

pub(crate) async fn publishes_again_after_a_cut(rig: &impl Server) {
    let broker = rig.broker(&["a"]);
    let mut publisher = broker.publisher();
    publisher.publish("a", &texts(&["x"])).await.unwrap();
    rig.cut().await;
    let mut listener = Listener::ready(Arc::clone(&broker), 8).await;
    // The first one may be what finds the loss.
    if publisher.publish("a", &texts(&["y"])).await.is_err() {
        publisher.publish("a", &texts(&["y"])).await.unwrap();
    }
    assert_eq!(listener.payloads(1).await, ["y"]);
}

pub(crate) async fn ends_when_its_receiver_is_gone(rig: &impl Rig) {
    let Listener { inbox, session } = Listener::ready(rig.broker(&["a"]), 8).await;
    drop(inbox);
    let reason = timeout(PATIENCE, session).await.expect("it ends in time").unwrap();
    assert!(reason.is_closed() && !reason.is_retryable(), "{reason}");
}

pub(crate) async fn ends_when_its_future_is_dropped(rig: &impl Rig) {
    let listener = Listener::ready(rig.broker(&["a"]), 8).await;
    assert_eq!(rig.open_sessions().await, 1);
    listener.session.abort();
    let deadline = Instant::now() + PATIENCE;
    while rig.open_sessions().await > 0 {
        assert!(Instant::now() < deadline, "the session stays open");
        sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn rejects_a_payload_that_is_too_long(rig: &impl Rig) {
    let _listener = Listener::ready(rig.broker(&["a"]), 8).await;
    let client = rig.client(&["a"]);
    let mut publisher = client.publisher();
    let error = publisher.publish("a", &["x".repeat(client.max_payload() + 1)]).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    publisher.publish("a", &["x".repeat(client.max_payload())]).await.unwrap();
}

/// A service that gives two replies to each request.
async fn answering(rig: &impl Rig) -> JoinHandle<()> {
    let broker = rig.broker(&["requests"]);
    let mut listener = Listener::ready(Arc::clone(&broker), 8).await;
    tokio::spawn(async move {
        let mut publisher = broker.publisher();
        loop {
            let request = listener.delivery().await;
            let channel = broker.reply_channel(&request.channel, &request.payload);
            publisher.publish(channel, &texts(&["one", "two"])).await.unwrap();
        }
    })
}

pub(crate) async fn collects_the_replies_that_are_expected(rig: &impl Rig) {
    let service = answering(rig).await;
    let deadline = Instant::now() + PATIENCE;
    let replies = ask(rig.client(&["reply_to_me"]), "requests", &texts(&["reply_to_me"]), deadline).await;
    assert_eq!(replies.unwrap().collect(2, deadline).await.unwrap(), ["one", "two"]);
    service.abort();
}

pub(crate) async fn collects_fewer_replies_when_time_is_up(rig: &impl Rig) {
    let service = answering(rig).await;
    let deadline = Instant::now() + PATIENCE;
    let replies = ask(rig.client(&["reply_to_me"]), "requests", &texts(&["reply_to_me"]), deadline).await;
    let mut replies = replies.unwrap();
    assert_eq!(replies.next(deadline).await.unwrap().as_deref(), Some("one"));
    assert_eq!(replies.next(deadline).await.unwrap().as_deref(), Some("two"));
    let soon = Instant::now() + Duration::from_millis(50);
    assert_eq!(replies.collect(1, soon).await.unwrap(), Vec::<String>::new());
    service.abort();
}

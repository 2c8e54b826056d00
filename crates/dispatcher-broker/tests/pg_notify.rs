//! What notifications over Postgres do beyond what every broker does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy;
mod server;

use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::{Broker, BrokerError, Options, PgNotify, SelfCheck};
use proxy::{Mode, Proxy};
use server::{Server, Setup, listening, unique, until};
use tokio::time::Instant;

fn pg(options: Options) -> Arc<dyn Broker> {
    Arc::new(PgNotify::new(options).unwrap())
}

/// Why a session with these options does not come to listen.
async fn refusal(options: Options) -> BrokerError {
    let (sender, mut inbox) = tokio::sync::mpsc::channel(8);
    let broker = pg(options);
    let error = broker.listen(dispatcher_broker::Sink::new(0, sender)).await;
    assert!(inbox.try_recv().is_err(), "it said that it listens");
    error
}

fn quick_check() -> SelfCheck {
    SelfCheck { after_idle: Duration::from_millis(50), max_age: Duration::from_millis(500) }
}

#[tokio::test]
async fn reason_of_a_loss_is_what_the_server_said() {
    let server = Server::shared().await;
    let (admin, name) = (server.admin().await, unique("cut"));
    let session = listening(server.broker(&name, &["a"]), 8).await;
    server.terminate(&admin, &name).await;
    let reason = session.reason().await.to_string();
    assert!(reason.contains("terminating connection due to administrator command"), "{reason}");
}

#[tokio::test]
async fn server_is_listened_to_again_at_once_after_a_cut() {
    let server = Server::shared().await;
    let (admin, name) = (server.admin().await, unique("gap"));
    let broker = server.broker(&name, &["a"]);
    for _ in 0..5 {
        let session = listening(broker.clone(), 8).await;
        server.terminate(&admin, &name).await;
        session.reason().await;
        let begun = Instant::now();
        listening(broker.clone(), 8).await.end.abort();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        until("the second session is gone", async || server.backends(&admin, &name).await == 0).await;
    }
}

#[tokio::test]
async fn one_connection_serves_any_number_of_channels() {
    let server = Server::shared().await;
    let (admin, name) = (server.admin().await, unique("many"));
    let channels: Vec<String> = (0..1000).map(|number| format!("{name}_{number}")).collect();
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    let broker = server.broker(&name, &channels);
    let mut session = listening(broker.clone(), 8).await;
    assert_eq!(server.backends(&admin, &name).await, 1);
    let mut publisher = broker.publisher();
    for channel in [channels[0], channels[999]] {
        publisher.publish(channel, &[channel.to_owned()]).await.unwrap();
        assert_eq!(session.payload().await, channel);
    }
    assert_eq!(server.backends(&admin, &name).await, 2, "the second is the publisher's");
}

#[tokio::test]
async fn listening_session_is_in_no_transaction() {
    let server = Server::shared().await;
    let (admin, name) = (server.admin().await, unique("idle"));
    let _session = listening(server.broker(&name, &["a"]), 8).await;
    let query = "SELECT state, xact_start IS NULL AND backend_xmin IS NULL FROM pg_stat_activity WHERE application_name = $1";
    until("it is idle", async || {
        let row = admin.query_one(query, &[&name]).await.unwrap();
        row.get::<_, &str>(0) == "idle" && row.get(1)
    })
    .await;
}

#[tokio::test]
async fn full_sink_stops_the_reading_of_the_socket() {
    let server = Server::shared().await;
    let (admin, name) = (server.admin().await, unique("full"));
    let broker = server.broker(&name, &[&name]);
    let mut session = listening(broker.clone(), 1).await;
    let query =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'ClientWrite'";
    let mut publisher = broker.publisher();
    let mut sent = Vec::new();
    until("the server waits for us", async || {
        let batch: Vec<_> = (0..250).map(|number| format!("{:07900}", sent.len() + number)).collect();
        publisher.publish(&name, &batch).await.unwrap();
        sent.extend(batch);
        admin.query_one(query, &[&name]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    for payload in sent {
        assert_eq!(session.payload().await, payload);
    }
}

#[tokio::test]
async fn idle_line_proves_itself_and_nobody_else_hears_of_it() {
    let server = Server::shared().await;
    let name = unique("check");
    let broker = pg(Options { self_check: Some(quick_check()), ..server.options(&name, &[&name], &[]) });
    assert!(broker.self_check().unwrap().enabled);
    let mut session = listening(broker.clone(), 8).await;
    until("two checks succeed", async || broker.self_check().unwrap().success_count >= 2).await;
    let stats = broker.self_check().unwrap();
    assert!(stats.average().unwrap() <= stats.max && stats.max < Duration::from_millis(500), "{stats:?}");
    broker.publisher().publish(&name, &["x".to_owned()]).await.unwrap();
    assert_eq!(session.payload().await, "x", "the first thing that comes is ours");
}

#[tokio::test]
async fn line_that_goes_deaf_is_given_up() {
    let server = Server::shared().await;
    for mode in [Mode::Mute, Mode::Blackhole] {
        let proxy = Proxy::before(server.port, Mode::Pass).await;
        let changes = [("port", &*proxy.port.to_string()), ("sslmode", "disable")];
        let options = server.options(&unique("deaf"), &["a"], &changes);
        let session = listening(pg(Options { self_check: Some(quick_check()), ..options }), 8).await;
        proxy.set(mode);
        let reason = session.reason().await;
        assert!(reason.is_retryable() && reason.to_string().contains("nothing came over it"), "{reason}");
    }
}

#[tokio::test]
async fn pooler_in_transaction_mode_is_told_from_one_in_session_mode() {
    let server = Server::shared().await;
    let name = unique("pooled");
    let proxy = Proxy::before(server.port, Mode::SessionPooler).await;
    let changes = [("port", &*proxy.port.to_string()), ("sslmode", "disable")];
    let options = server.options(&name, &[&name], &changes);
    let mut session = listening(pg(options.clone()), 8).await;
    proxy.set(Mode::TransactionPooler);
    pg(options.clone()).publisher().publish(&name, &["x".to_owned()]).await.unwrap();
    let error = refusal(options).await;
    assert!(error.is_cannot_listen() && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("session mode"), "{error}");
    proxy.set(Mode::SessionPooler);
    server.broker(&name, &[]).publisher().publish(&name, &["y".to_owned()]).await.unwrap();
    assert_eq!(session.payload().await, "y");
}

#[tokio::test]
async fn direct_connection_needs_no_second_one_to_prove_itself() {
    let server = Server::shared().await;
    let proxy = Proxy::before(server.port, Mode::Pass).await;
    let changes = [("port", &*proxy.port.to_string()), ("sslmode", "disable")];
    let _session = listening(pg(server.options(&unique("direct"), &["a"], &changes)), 8).await;
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn server_that_does_not_answer_is_given_up_in_time() {
    let server = Server::shared().await;
    let proxy = Proxy::before(server.port, Mode::Blackhole).await;
    let changes = [("port", &*proxy.port.to_string()), ("connect_timeout", "1"), ("sslmode", "disable")];
    let error = refusal(server.options("silent", &["a"], &changes)).await;
    assert!(
        matches!(error, BrokerError::Unreachable { .. }) && error.to_string().contains("took more than 1s"),
        "{error}"
    );
    proxy.set(Mode::Refuse);
    let error = refusal(server.options("silent", &["a"], &changes)).await;
    assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn hosts_are_tried_in_order_until_one_will_do() {
    let server = Server::shared().await;
    let proxy = Proxy::before(server.port, Mode::Refuse).await;
    let ports = format!("{},{}", proxy.port, server.port);
    let changes = [("host", "127.0.0.1,127.0.0.1"), ("port", &*ports)];
    let _session = listening(pg(server.options("order", &["a"], &changes)), 8).await;
    assert!(proxy.accepted() > 0);
    let ports = format!("{0},{0}", proxy.port);
    let error = refusal(server.options("order", &["a"], &[changes[0], ("port", &*ports)])).await.to_string();
    assert_eq!(error.matches(&format!("127.0.0.1:{}", proxy.port)).count(), 2, "{error}");
}

#[tokio::test]
async fn too_many_connections_is_not_a_refused_login() {
    let server = Server::shared().await;
    let role = unique("crowded");
    let statement = format!("CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0");
    server.admin().await.batch_execute(&statement).await.unwrap();
    let error = refusal(server.options(&role, &["a"], &[("user", &role), ("password", "x")])).await;
    assert!(error.is_retryable() && !error.is_refused() && error.to_string().contains("53300"), "{error}");
}

#[tokio::test]
async fn role_that_may_not_log_in_is_refused() {
    let server = Server::shared().await;
    let role = unique("barred");
    server.admin().await.batch_execute(&format!("CREATE ROLE {role} NOLOGIN PASSWORD 'x'")).await.unwrap();
    let error = refusal(server.options(&role, &["a"], &[("user", &role), ("password", "x")])).await;
    assert!(
        error.is_refused() && error.is_retryable() && error.to_string().contains("not permitted"),
        "{error}"
    );
}

#[tokio::test]
async fn session_outlives_the_idle_timeout_of_the_server() {
    let server = Server::shared().await;
    let (admin, name) = (server.admin().await, unique("patient"));
    let options = server.options(&name, &[&name], &[("options", "-c idle_session_timeout=100")]);
    let mut session = listening(pg(Options { self_check: None, ..options }), 8).await;
    let query = "SELECT now() - state_change > '300 ms' FROM pg_stat_activity WHERE application_name = $1";
    until("it was idle for longer", async || {
        admin.query_opt(query, &[&name]).await.unwrap().is_some_and(|row| row.get(0))
    })
    .await;
    server.broker("other", &[]).publisher().publish(&name, &["x".to_owned()]).await.unwrap();
    assert_eq!(session.payload().await, "x");
}

#[tokio::test]
async fn read_only_server_will_do_unless_a_writable_one_is_asked_for() {
    let server = Server::shared().await;
    let role = unique("reader");
    let statement = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; ALTER ROLE {role} SET default_transaction_read_only = on"
    );
    server.admin().await.batch_execute(&statement).await.unwrap();
    let changes = [("user", &*role), ("password", "x")];
    let mut session = listening(pg(server.options(&role, &[&role], &changes)), 8).await;
    pg(server.options(&role, &[], &changes)).publisher().publish(&role, &["x".to_owned()]).await.unwrap();
    assert_eq!(session.payload().await, "x");
    let changes = [changes[0], changes[1], ("target_session_attrs", "read-write")];
    let error = refusal(server.options(&role, &["a"], &changes)).await;
    assert!(error.is_cannot_listen() && error.to_string().contains("read-only"), "{error}");
}

#[tokio::test]
async fn hot_standby_is_refused_and_its_primary_is_found() {
    let primary = Server::private(&Setup {
        hba: "local all all trust\nhost all all all trust\nhost replication all all trust",
        ..Setup::default()
    })
    .await;
    let standby = Server::private(&Setup { primary: Some(&primary.dsn), ..Setup::default() }).await;
    let error = refusal(standby.options("standby", &["a"], &[])).await;
    assert!(
        error.is_cannot_listen() && error.is_retryable() && error.to_string().contains("primary"),
        "{error}"
    );
    let ports = format!("{},{}", standby.port, primary.port);
    let _session = listening(
        pg(standby.options("both", &["a"], &[("host", "127.0.0.1,127.0.0.1"), ("port", &ports)])),
        8,
    )
    .await;
    assert_eq!(primary.backends(&primary.admin().await, "both").await, 1);
}

#[tokio::test]
async fn unix_socket_is_a_host_too() {
    let server = Server::private(&Setup::default()).await;
    let dir = server.dir.as_ref().unwrap().to_str().unwrap();
    // No encryption on a socket, whatever the mode.
    let changes = [("host", dir), ("sslmode", "verify-full")];
    let mut session = listening(pg(server.options("unix", &["a"], &changes)), 8).await;
    pg(server.options("unix", &[], &changes)).publisher().publish("a", &["x".to_owned()]).await.unwrap();
    assert_eq!(session.payload().await, "x");
}

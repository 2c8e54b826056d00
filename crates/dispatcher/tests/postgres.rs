//! Publishing over a real Postgres: connections of our own, and connections and transactions of the application.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../dispatcher-broker/tests/server/mod.rs"]
mod server;

use std::time::Duration;

use dispatcher::{Published, Publisher, submit, submit_many, task};
use dispatcher_protocol::{Decoded, decode};
use serde_json::json;
use server::{Server, Session, listening, unique, until};
use sqlx_core::connection::Connection;
use sqlx_postgres::{PgConnection, PgPool};
use tokio_postgres::NoTls;

#[task(name = "shop.orders.ship")]
#[expect(clippy::unused_async, reason = "it is only published")]
async fn ship(_order: u64) {}

/// A channel of its own, and everything that comes by it.
async fn channel(server: &Server) -> (String, Session) {
    let name = unique("c");
    let session = listening(server.broker(&name, &[&name]), 4096).await;
    (name, session)
}

async fn heard(session: &mut Session, sent: &Published) {
    assert_eq!(session.payload().await, sent.message());
}

fn url(server: &Server) -> String {
    format!("postgres://postgres@{}:{}/postgres?sslmode=disable", server.host, server.port)
}

#[tokio::test]
async fn our_own_connection_carries_single_messages_batches_and_pieces() {
    let server = Server::shared().await;
    let (name, mut session) = channel(server).await;
    let publisher = Publisher::postgres(&server.dsn).unwrap().channel(name);
    heard(&mut session, &ship::submit(1).on(&publisher).await.unwrap()).await;
    for one in &submit_many((0..500).map(ship::submit)).on(&publisher).await.unwrap() {
        heard(&mut session, one).await;
    }
    submit("a.b").arg("x".repeat(9000)).on(&publisher).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(decode(session.payload().await), Ok(Decoded::Chunk(_))));
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_by_the_next_publish() {
    let server = Server::shared().await;
    let (name, mut session) = channel(server).await;
    let (admin, application) = (server.admin().await, unique("lost"));
    let dsn = format!("{} application_name={application}", server.dsn);
    let publisher = Publisher::postgres(&dsn).unwrap().channel(name);
    heard(&mut session, &ship::submit(1).on(&publisher).await.unwrap()).await;
    assert_eq!(server.terminate(&admin, &application).await, 1);
    until("a publish works again", async || match ship::submit(2).on(&publisher).await {
        Ok(sent) => {
            heard(&mut session, &sent).await;
            true
        }
        Err(error) => {
            assert!(error.is_retryable(), "{error}");
            false
        }
    })
    .await;
}

#[tokio::test]
async fn a_transaction_of_tokio_postgres_sends_when_it_commits_and_never_when_it_is_rolled_back() {
    let server = Server::shared().await;
    let (name, mut session) = channel(server).await;
    let (mut client, connection) = tokio_postgres::connect(&server.dsn, NoTls).await.unwrap();
    tokio::spawn(connection);

    let transaction = client.transaction().await.unwrap();
    ship::submit(1).queue(name.clone()).on(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();

    let transaction = client.transaction().await.unwrap();
    let batch = submit_many((2..5).map(|order| ship::submit(order).queue(name.clone())));
    let sent = batch.on(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let after = ship::submit(9).queue(name.clone()).on(&client).await.unwrap();
    for one in sent.iter().chain([&after]) {
        heard(&mut session, one).await;
    }
}

#[tokio::test]
async fn a_transaction_of_sqlx_sends_when_it_commits_and_never_when_it_is_rolled_back() {
    let server = Server::shared().await;
    let (name, mut session) = channel(server).await;
    let order = |order: u64| ship::submit(order).queue(name.clone());
    let mut connection = PgConnection::connect(&url(server)).await.unwrap();

    let mut transaction = connection.begin().await.unwrap();
    order(1).on(&mut transaction).await.unwrap();
    transaction.rollback().await.unwrap();

    let mut transaction = connection.begin().await.unwrap();
    let inside = order(2).on(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let plain = order(3).on(&mut connection).await.unwrap();
    let pool = PgPool::connect(&url(server)).await.unwrap();
    let pooled = order(4).on(&pool).await.unwrap();
    for one in [inside, plain, pooled] {
        heard(&mut session, &one).await;
    }
}

#[tokio::test]
async fn an_error_of_the_database_has_its_source_and_no_arguments() {
    let server = Server::shared().await;
    let (client, connection) = tokio_postgres::connect(&server.dsn, NoTls).await.unwrap();
    tokio::spawn(connection);
    let long = submit("a.b").arg("SECRET").queue("x".repeat(64));
    let error = long.on(&client).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("db error") || source.contains("channel name"), "{source}");
    assert!(!format!("{error} {error:?} {source}").contains("SECRET"));
}

#[tokio::test]
async fn nobody_answers_a_question_when_no_service_listens() {
    let server = Server::shared().await;
    let publisher = Publisher::postgres(&server.dsn).unwrap().channel(unique("nobody"));
    let control = publisher.control().unwrap();
    let replies = control.alive().within(Duration::from_millis(100)).await.unwrap();
    assert!(replies.is_empty());
}

#[tokio::test]
async fn a_service_answers_questions() {
    let server = Server::shared().await;
    let name = unique("asked");
    let mut service = dispatcher::Service::builder().pg_notify(&server.dsn, &[&name]).start().unwrap();
    service.ready().await.unwrap();
    let control = Publisher::postgres(&server.dsn).unwrap().channel(name).control().unwrap();
    let patient = Duration::from_secs(20);
    let alive = control.alive().within(patient).await.unwrap();
    assert!(alive[0].contains_key("node_id"), "{alive:?}");
    let running = control.running().with("task", "a.b").within(patient).await.unwrap();
    assert_eq!(running.len(), 1);
    let wrong = control.call("no_such_command").within(patient).await.unwrap();
    assert!(json!(wrong[0]).to_string().contains("no_such_command"), "{wrong:?}");
    service.stop().await.unwrap();
}

//! A channel name reaches the server exactly as it is, whatever it is made of.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use dispatcher_broker::{MAX_PAYLOAD, quote_ident};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use server::Server;
use tokio_postgres::Client;

/// Legal names: what has a meaning in SQL, and everything else.
fn names() -> impl Strategy<Value = String> {
    let odd = proptest::string::string_regex("[\"'\\\\;$%E a-zA-Z0-9_\\-/*.é💥\u{7f}\n\t]{1,30}").unwrap();
    prop_oneof![odd, any::<String>()].prop_filter("legal", |name| quote_ident(name).is_ok())
}

async fn listened(admin: &Client, name: &str, strings: &str) -> Vec<String> {
    let name = quote_ident(name).unwrap();
    let statements = format!("SET standard_conforming_strings = {strings}; UNLISTEN *; LISTEN {name}");
    admin.batch_execute(&statements).await.unwrap();
    let rows = admin.query("SELECT pg_listening_channels()", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn server_listens_to_exactly_the_name_that_was_given() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let admin = runtime.block_on(async { Server::shared().await.admin().await });
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&(names(), prop_oneof!["on", "off"]), |(name, strings)| {
        prop_assert_eq!(runtime.block_on(listened(&admin, &name, &strings)), [name]);
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn server_takes_the_longest_payload_and_refuses_a_longer_one() {
    let admin = Server::shared().await.admin().await;
    let notify = async |length: usize| admin.query("SELECT pg_notify('a', $1)", &[&"x".repeat(length)]).await;
    assert!(notify(MAX_PAYLOAD).await.is_ok());
    assert!(notify(MAX_PAYLOAD + 1).await.is_err());
}

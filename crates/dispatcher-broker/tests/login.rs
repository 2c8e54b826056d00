//! Logging in with passwords: every way the server may ask, and the ways that are forbidden.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dispatcher_broker::{Broker, BrokerError, PgNotify};
use server::{Server, Setup};

const HBA: &str = "
host all postgres all trust
host all scram all scram-sha-256
host all digest all md5
host all clear all password
host all nobody all reject
";

const ROLES: &str = "
CREATE ROLE scram LOGIN PASSWORD 'geheim';
CREATE ROLE clear LOGIN PASSWORD 'geheim';
SET password_encryption = md5;
CREATE ROLE digest LOGIN PASSWORD 'geheim';
";

async fn server() -> Server {
    let server = Server::private(&Setup { hba: HBA, ..Setup::default() }).await;
    server.admin().await.batch_execute(ROLES).await.unwrap();
    server
}

/// What comes of one message sent with these settings.
async fn send(server: &Server, changes: &[(&str, &str)]) -> Result<(), BrokerError> {
    let broker = PgNotify::new(server.options("login", &[], changes))?;
    broker.publisher().publish("a", &["x".to_owned()]).await
}

#[tokio::test]
async fn every_way_to_ask_for_a_password_works_unless_it_is_forbidden() {
    let server = server().await;
    for (user, method) in
        [("scram", "scram-sha-256"), ("digest", "md5"), ("clear", "password"), ("postgres", "none")]
    {
        for policy in ["", "scram-sha-256", "md5", "password", "none", "!md5,!password"] {
            let changes = [("user", user), ("password", "geheim"), ("require_auth", policy)];
            let allowed = match policy {
                "" => true,
                "!md5,!password" => matches!(method, "scram-sha-256" | "none"),
                policy => policy == method,
            };
            match send(&server, &changes).await {
                Ok(()) => assert!(allowed, "{user} {policy}"),
                Err(error) => {
                    assert!(!allowed && error.is_refused(), "{user} {policy}: {error}");
                    assert!(error.to_string().contains("require_auth"), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn refused_login_says_why_and_never_the_password() {
    let server = server().await;
    for (user, password, reason) in [
        ("scram", "falsch-geheim", "password authentication failed"),
        ("digest", "falsch-geheim", "password authentication failed"),
        ("clear", "falsch-geheim", "password authentication failed"),
        ("nobody", "falsch-geheim", "pg_hba.conf"),
        ("scram", "", "PGPASSWORD"),
    ] {
        let changes = [("user", user), ("password", password), ("passfile", "/nonexistent")];
        let error = send(&server, &changes).await.unwrap_err();
        assert!(error.is_refused() && error.is_retryable(), "{user}: {error}");
        assert!(error.to_string().contains(reason), "{user}: {error}");
        assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
    }
}

#[tokio::test]
async fn password_that_changes_in_its_file_is_found_at_the_next_connection() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pass");
    let write = |password: &str| {
        fs::write(&file, format!("*:*:*:scram:{password}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("old");
    let changes = [("user", "scram"), ("passfile", file.to_str().unwrap())];
    let broker = PgNotify::new(server.options("login", &[], &changes)).unwrap();
    let mut publisher = broker.publisher();
    assert!(publisher.publish("a", &["x".to_owned()]).await.unwrap_err().is_refused());
    write("geheim");
    publisher.publish("a", &["x".to_owned()]).await.unwrap();
}

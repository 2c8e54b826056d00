//! Encryption: in every cell of modes, certificates and root files, what psql does is what we do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use dispatcher_broker::{Broker, BrokerError, PgNotify, Publish};
use server::{Server, Setup, bin_dir, unique, until};
use tempfile::TempDir;
use tokio_postgres::Client;

const MAKE: &str = include_str!("certificates/make.sh");

const HBA: &str = "
local all all trust
hostssl all only_tls all trust
hostnossl all only_plain all trust
host all scram all scram-sha-256
hostssl all client all cert
hostssl all postgres all trust
hostnossl all postgres all trust
";

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// How a connection came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Plain,
    Encrypted,
}

/// A server whose certificate can be changed, and files to check it with.
struct Rig {
    server: Server,
    admin: Client,
    files: TempDir,
}

impl Rig {
    async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let made = Command::new("sh").args(["-c", MAKE]).current_dir(files.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server =
            Server::private(&Setup { files: Some(files.path()), hba: HBA, ..Setup::default() }).await;
        let key = files.path().join("client.key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        let admin = server.admin().await;
        let roles = "CREATE ROLE only_tls LOGIN; CREATE ROLE only_plain LOGIN; CREATE ROLE client LOGIN; \
            CREATE ROLE scram LOGIN PASSWORD 'geheim'";
        admin.batch_execute(roles).await.unwrap();
        Self { server, admin, files }
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// Gives the server this certificate, or none.
    async fn serve(&self, certificate: Option<&str>) {
        let dir = self.server.dir.as_ref().unwrap().join("files");
        let path = |name: &str, kind: &str| dir.join(format!("{name}.{kind}")).display().to_string();
        let cert = path(certificate.unwrap_or("good"), "crt");
        let on = if certificate.is_some() { "on" } else { "off" };
        for (setting, value) in [
            ("ssl_cert_file", cert.as_str()),
            ("ssl_key_file", &path(certificate.unwrap_or("good"), "key")),
            ("ssl_ca_file", &path("ca", "crt")),
            ("ssl", on),
        ] {
            self.admin.batch_execute(&format!("ALTER SYSTEM SET {setting} = '{value}'")).await.unwrap();
        }
        self.admin.query("SELECT pg_reload_conf()", &[]).await.unwrap();
        let now = "SELECT current_setting('ssl'), current_setting('ssl_cert_file')";
        until("new connections get the new certificate", async || {
            let row = self.server.admin().await.query_one(now, &[]).await.unwrap();
            (row.get::<_, &str>(0), row.get::<_, &str>(1)) == (on, &cert)
        })
        .await;
    }

    /// Settings of one cell; every file that is not named is absent.
    fn settings<'a>(&self, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, String)> {
        let mut settings = vec![("host", "localhost".to_owned()), ("user", "postgres".to_owned())];
        for file in ["sslrootcert", "sslcert", "sslkey", "sslcrl"] {
            settings.push((file, self.file("absent")));
        }
        settings.extend(changes.iter().map(|(keyword, value)| (*keyword, (*value).to_owned())));
        settings
    }

    /// What psql comes to.
    fn psql(&self, changes: &[(&str, &str)]) -> Outcome {
        let mut words = vec![format!("port={} dbname=postgres", self.server.port)];
        for (keyword, value) in self.settings(changes) {
            words.push(format!("{keyword}='{value}'"));
        }
        let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let run = Command::new(bin_dir().join("psql"))
            .args(["-XAtwc", query, &words.join(" ")])
            .env_clear()
            .env("HOME", self.files.path())
            .output()
            .unwrap();
        match (run.status.success(), run.stdout.as_slice()) {
            (false, _) => Outcome::Refused,
            (true, b"t\n") => Outcome::Encrypted,
            (true, _) => Outcome::Plain,
        }
    }

    /// What we come to, and what we say if we are refused.
    async fn ours(&self, changes: &[(&str, &str)]) -> (Outcome, String) {
        let name = unique("tls");
        match self.publish(&name, changes).await {
            Err(error) => (Outcome::Refused, error.to_string()),
            Ok(_publisher) => {
                let query = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = $1";
                let encrypted = self.admin.query_one(query, &[&name]).await.unwrap().get(0);
                (if encrypted { Outcome::Encrypted } else { Outcome::Plain }, String::new())
            }
        }
    }

    async fn publish(&self, name: &str, changes: &[(&str, &str)]) -> Result<Box<dyn Publish>, BrokerError> {
        let settings = self.settings(changes);
        let settings: Vec<_> = settings.iter().map(|(keyword, value)| (*keyword, value.as_str())).collect();
        let mut publisher = PgNotify::new(self.server.options(name, &[], &settings))?.publisher();
        publisher.publish("a", &["x".to_owned()]).await.map(|()| publisher)
    }

    /// Compares one cell with psql.
    async fn compare(&self, cell: &str, changes: &[(&str, &str)]) {
        let (ours, why) = self.ours(changes).await;
        let psql = self.psql(changes);
        assert_eq!(ours, psql, "{cell}: ours left, psql right; {why}");
    }
}

/// All modes and root files for one certificate of the server.
async fn matrix(certificates: &[Option<&str>]) {
    let rig = Rig::new().await;
    for certificate in certificates {
        rig.serve(*certificate).await;
        for mode in MODES {
            for root in ["absent", "ca.crt", "between.crt", "both.crt", "self_signed.crt"] {
                let root_file = rig.file(root);
                let changes = [("sslmode", mode), ("sslrootcert", root_file.as_str())];
                rig.compare(&format!("{certificate:?} {mode} {root}"), &changes).await;
            }
        }
    }
}

#[tokio::test]
async fn good_certificates_are_taken_where_psql_takes_them() {
    matrix(&[Some("good"), Some("chained"), Some("common_name"), Some("self_signed")]).await;
}

#[tokio::test]
async fn bad_certificates_are_refused_where_psql_refuses_them() {
    matrix(&[
        Some("wrong_ca"),
        Some("wrong_name"),
        Some("expired"),
        Some("forged"),
        Some("version_1"),
        Some("forged_version_1"),
        None,
    ])
    .await;
}

#[tokio::test]
async fn encryption_that_the_server_insists_on_or_forbids_is_agreed_on_as_psql_does() {
    let rig = Rig::new().await;
    for certificate in [Some("good"), None] {
        rig.serve(certificate).await;
        for mode in MODES {
            for user in ["only_tls", "only_plain"] {
                let root = rig.file("ca.crt");
                let changes = [("sslmode", mode), ("user", user), ("sslrootcert", root.as_str())];
                rig.compare(&format!("{certificate:?} {mode} {user}"), &changes).await;
            }
        }
    }
}

#[tokio::test]
async fn revoked_certificate_is_refused_when_a_list_names_it() {
    let rig = Rig::new().await;
    let (root, crl) = (rig.file("ca.crt"), rig.file("revoked.crl"));
    for certificate in ["good", "revoked"] {
        rig.serve(Some(certificate)).await;
        for mode in ["require", "verify-ca", "verify-full"] {
            for crl in [crl.clone(), rig.file("absent")] {
                let changes = [("sslmode", mode), ("sslrootcert", root.as_str()), ("sslcrl", crl.as_str())];
                rig.compare(&format!("{certificate} {mode} {crl}"), &changes).await;
            }
        }
    }
}

#[tokio::test]
async fn refusals_name_what_is_wrong() {
    let rig = Rig::new().await;
    let root = rig.file("ca.crt");
    for (certificate, changes, words) in [
        (Some("wrong_ca"), [("sslmode", "verify-ca"), ("sslrootcert", root.as_str())], "UnknownIssuer"),
        (Some("wrong_name"), [("sslmode", "verify-full"), ("sslrootcert", &root)], "localhost"),
        (
            Some("good"),
            [("sslmode", "verify-full"), ("sslrootcert", "/no/root.crt")],
            "/no/root.crt does not exist",
        ),
        (None, [("sslmode", "require"), ("sslrootcert", &root)], "does not speak TLS"),
    ] {
        rig.serve(certificate).await;
        let (outcome, why) = rig.ours(&changes).await;
        assert!(outcome == Outcome::Refused && why.contains(words), "{certificate:?} {changes:?}: {why}");
    }
}

#[tokio::test]
async fn name_that_counts_is_that_of_the_host_and_not_its_address() {
    let rig = Rig::new().await;
    rig.serve(Some("good")).await;
    let root = rig.file("ca.crt");
    for (host, addr) in
        [("localhost", "127.0.0.1"), ("127.0.0.1", ""), ("elsewhere", "127.0.0.1"), ("", "127.0.0.1")]
    {
        let changes =
            [("sslmode", "verify-full"), ("sslrootcert", root.as_str()), ("host", host), ("hostaddr", addr)];
        rig.compare(&format!("{host:?} {addr:?}"), &changes).await;
    }
}

#[tokio::test]
async fn own_certificate_is_shown_if_its_key_is_ours_alone() {
    let rig = Rig::new().await;
    rig.serve(Some("good")).await;
    let (cert, key) = (rig.file("client.crt"), rig.file("client.key"));
    let with_cert =
        [("user", "client"), ("sslmode", "require"), ("sslcert", cert.as_str()), ("sslkey", key.as_str())];
    assert_eq!(rig.ours(&with_cert).await.0, Outcome::Encrypted);
    rig.compare("with a certificate", &with_cert).await;
    rig.compare("without one", &with_cert[..2]).await;
    let forbidden = [with_cert[0], with_cert[1], with_cert[2], with_cert[3], ("sslcertmode", "disable")];
    assert_eq!(rig.ours(&forbidden).await.0, Outcome::Refused);
    fs::set_permissions(Path::new(&key), fs::Permissions::from_mode(0o644)).unwrap();
    rig.compare("with a key that others may read", &with_cert).await;
    let (outcome, why) = rig.ours(&with_cert).await;
    assert!(outcome == Outcome::Refused && why.contains("chmod 600"), "{why}");
}

#[tokio::test]
async fn channel_binding_ties_the_password_to_the_encryption() {
    let rig = Rig::new().await;
    for certificate in ["good", "version_1"] {
        rig.serve(Some(certificate)).await;
        for mode in ["disable", "prefer", "require"] {
            for binding in ["disable", "prefer", "require"] {
                let changes = [
                    ("user", "scram"),
                    ("password", "geheim"),
                    ("sslmode", mode),
                    ("channel_binding", binding),
                ];
                rig.compare(&format!("{certificate} {mode} {binding}"), &changes).await;
            }
        }
    }
    let without = [("sslmode", "require"), ("channel_binding", "require")];
    rig.compare("no password is asked for", &without).await;
}

#[tokio::test]
async fn versions_of_tls_are_kept_to() {
    let rig = Rig::new().await;
    rig.serve(Some("good")).await;
    rig.admin.batch_execute("ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'").await.unwrap();
    rig.serve(Some("common_name")).await;
    for least in ["TLSv1.2", "TLSv1.3"] {
        let changes = [("sslmode", "require"), ("ssl_min_protocol_version", least)];
        rig.compare(least, &changes).await;
    }
}

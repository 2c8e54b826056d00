//! A Postgres for tests: the one that `DISPATCHER_TEST_DSN` names (a superuser, `keyword=value` form, over TCP), or
//! a private cluster that lives as long as this test process, however that ends. A named one should be disposable:
//! roles and databases are left in it.
//!
//! The programs are looked for in `DISPATCHER_PG_BIN`, `/usr/lib/postgresql/*/bin` and the `PATH`. A missing
//! Postgres fails the test. Started by root, the cluster runs as an unprivileged user, since it refuses root.

#![expect(dead_code, reason = "each test program uses a part of this")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dispatcher_broker::{Broker, FromBroker, Options, PgNotify, Sink};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, NoTls};

/// Makes the cluster, says where it is, and removes it when the test process has closed our input.
const SCRIPT: &str = r#"
set -e
bin=$1 port=$2 files=$3 conf=$4 hba=$5 primary=$6
dir=$(mktemp -d /tmp/dispatcher-pg.XXXXXX)
trap 'test -n "$server" || cat "$dir/log"; rm -rf "$dir"' EXIT
exec 2>>"$dir/log"
if [ -n "$primary" ]; then
  "$bin/pg_basebackup" -D "$dir/data" -d "$primary" -c fast --no-sync -R >>"$dir/log"
else
  "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C -N >>"$dir/log"
fi
if [ -n "$files" ]; then cp -r "$files" "$dir/files"; chmod 600 "$dir"/files/*; fi
cat >>"$dir/data/postgresql.conf" <<END
port=$port
listen_addresses='127.0.0.1'
unix_socket_directories='$dir'
fsync=off
max_connections=60
max_wal_senders=4
$conf
END
if [ -n "$hba" ]; then echo "$hba" >"$dir/data/pg_hba.conf"; fi
"$bin/postgres" -D "$dir/data" >>"$dir/log" &
server=$!
echo "in $dir"
read -r _ || true
kill -INT $server
wait $server || true
"#;

/// How a private cluster differs from a plain one.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// A directory whose files the server finds in `files/` beside its data, readable for it alone.
    pub(crate) files: Option<&'a Path>,
    /// Lines for `postgresql.conf`.
    pub(crate) conf: &'a str,
    /// The whole `pg_hba.conf`.
    pub(crate) hba: &'a str,
    /// The conninfo of a primary to be a standby of.
    pub(crate) primary: Option<&'a str>,
}

/// A running server.
pub(crate) struct Server {
    /// A superuser's conninfo over TCP.
    pub(crate) dsn: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The directory of its socket and `files/`, when it is private.
    pub(crate) dir: Option<PathBuf>,
    /// Ends the cluster when its standard input closes, which the end of this process does too.
    _keeper: Option<Child>,
}

impl Server {
    /// The server that all tests of this process share.
    pub(crate) async fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        let server = SHARED.get_or_init(|| match std::env::var("DISPATCHER_TEST_DSN") {
            Ok(dsn) => Self::named(dsn),
            Err(_) => Self::spawn(&Setup::default()),
        });
        server.wait_until_up().await;
        server
    }

    /// A cluster for one test.
    pub(crate) async fn private(setup: &Setup<'_>) -> Server {
        let server = Self::spawn(setup);
        server.wait_until_up().await;
        server
    }

    fn named(dsn: String) -> Self {
        let value = |keyword: &str| {
            dsn.split_whitespace()
                .find_map(|pair| pair.strip_prefix(keyword)?.strip_prefix('='))
                .map(ToOwned::to_owned)
        };
        let host = value("host").unwrap_or_else(|| "127.0.0.1".to_owned());
        let port = value("port").and_then(|port| port.parse().ok()).unwrap_or(5432);
        Self { host, port, dir: None, dsn, _keeper: None }
    }

    fn spawn(setup: &Setup<'_>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut keeper = unprivileged("sh")
            .args(["-c", SCRIPT, "sh"])
            .args([bin_dir().as_os_str(), port.to_string().as_ref()])
            .arg(setup.files.unwrap_or(Path::new("")))
            .args([setup.conf, setup.hba, setup.primary.unwrap_or_default()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        let mut said = BufReader::new(keeper.stdout.take().unwrap());
        let mut dir = String::new();
        said.read_line(&mut dir).unwrap();
        let Some(dir) = dir.strip_prefix("in ") else {
            said.read_to_string(&mut dir).unwrap();
            panic!("the private cluster did not start: {dir}");
        };
        let dsn = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
        let dir = Some(PathBuf::from(dir.trim()));
        Self { dsn, host: "127.0.0.1".to_owned(), port, dir, _keeper: Some(keeper) }
    }

    async fn wait_until_up(&self) {
        let up = async {
            while tokio_postgres::connect(&self.dsn, NoTls).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(60), up).await.expect("the server comes up within a minute");
    }

    /// A superuser's connection.
    pub(crate) async fn admin(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.dsn, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Options for a broker with this name, and what is to be added to or changed in the superuser's conninfo.
    pub(crate) fn options(&self, name: &str, channels: &[&str], changes: &[(&str, &str)]) -> Options {
        let mut options = Options { application_name: name.to_owned(), ..Options::default() };
        options.channels = channels.iter().map(ToString::to_string).collect();
        options.config.set("conninfo", self.dsn.as_str());
        for (keyword, value) in changes {
            options.config.set(*keyword, *value);
        }
        options
    }

    /// A broker with this name.
    pub(crate) fn broker(&self, name: &str, channels: &[&str]) -> Arc<PgNotify> {
        Arc::new(PgNotify::new(self.options(name, channels, &[])).unwrap())
    }

    /// How many server processes serve connections of this name.
    pub(crate) async fn backends(&self, admin: &Client, name: &str) -> i64 {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        admin.query_one(query, &[&name]).await.unwrap().get(0)
    }

    /// Ends the server processes of the connections of this name; returns how many.
    pub(crate) async fn terminate(&self, admin: &Client, name: &str) -> u64 {
        let query =
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1";
        admin.execute(query, &[&name]).await.unwrap()
    }
}

/// A session that listens in the background.
pub(crate) struct Session {
    pub(crate) inbox: mpsc::Receiver<(u16, FromBroker)>,
    pub(crate) end: JoinHandle<dispatcher_broker::BrokerError>,
}

/// Starts a session and waits until it listens.
pub(crate) async fn listening(broker: Arc<dyn Broker>, room: usize) -> Session {
    let (sender, mut inbox) = mpsc::channel(room);
    let end = tokio::spawn(async move { broker.listen(Sink::new(7, sender)).await });
    let first = timeout(Duration::from_secs(20), inbox.recv()).await.expect("it listens in time");
    match first {
        Some(first) => assert_eq!(first, (7, FromBroker::Listening)),
        None => panic!("it does not listen: {}", end.await.unwrap()),
    }
    Session { inbox, end }
}

impl Session {
    /// The next payload.
    pub(crate) async fn payload(&mut self) -> String {
        match timeout(Duration::from_secs(20), self.inbox.recv()).await.expect("a message in time") {
            Some((7, FromBroker::Delivery(delivery))) => delivery.payload,
            other => panic!("not a message: {other:?}"),
        }
    }

    /// Why the session ended.
    pub(crate) async fn reason(self) -> dispatcher_broker::BrokerError {
        timeout(Duration::from_secs(20), self.end).await.expect("it ends in time").unwrap()
    }
}

/// Polls until it is so, for 20 s.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A name that nothing else uses.
pub(crate) fn unique(what: &str) -> String {
    format!("{what}_{:016x}", fastrand::u64(..))
}

/// Where the programs of Postgres are.
pub(crate) fn bin_dir() -> PathBuf {
    let named = std::env::var_os("DISPATCHER_PG_BIN").map(PathBuf::from);
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<_> = installed.map(|entry| entry.path().join("bin")).collect();
    installed.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = named.into_iter().chain(installed.into_iter().rev()).chain(std::env::split_paths(&path));
    all.find(|dir| dir.join("initdb").exists() && dir.join("postgres").exists())
        .expect("initdb and postgres are installed, or DISPATCHER_PG_BIN says where they are")
}

/// A command that does not run as root.
fn unprivileged(program: &str) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = if accounts.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" };
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), "--regid", "65534", "--clear-groups", "--", program]);
    command
}

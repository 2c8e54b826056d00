//! Makes a connection that can listen and notify: tries hosts, addresses and ways to encrypt in order, logs in,
//! and asks the server what it is.
//!
//! Never waits longer than the connect timeout for one address. Never falls back to less encryption than
//! `sslmode` allows.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::process::getuid;
use tokio::time::timeout;
use tokio_postgres::config::{Config, SslMode as Offer, SslNegotiation};
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::conninfo::{Conninfo, Environment};
use super::login::{Login, Watched};
use super::session::Session;
use super::socket::{self, Address, Socket};
use super::ssl::SslMode;
use super::target::{Host, SessionAttrs, Target};
use super::tls::{self, Upgrade};
use crate::{BrokerError, Settings};

/// Everything that is needed to connect, as often as one likes.
#[derive(Debug)]
pub(super) struct Connector {
    settings: Conninfo,
    name: String,
}

impl Connector {
    /// Checks the settings, with all that the environment adds to them now.
    pub(super) fn new(settings: &Settings, name: String) -> Result<Self, BrokerError> {
        let connector = Self { settings: Conninfo::from_settings(settings)?, name };
        connector.target().map(|_| connector)
    }

    /// What the operator should hear about once.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.target().map(|(_, warnings)| warnings).unwrap_or_default()
    }

    fn target(&self) -> Result<(Target, Vec<String>), BrokerError> {
        let var = |name: &str| std::env::var(name).ok();
        let environment = Environment { var: &var, home: home(), user: user() };
        let info = self.settings.clone().complete(&environment)?;
        let target = Target::new(&info, &environment, &self.name)?;
        let warnings = target.warnings(&info, &environment);
        Ok((target, warnings))
    }

    /// A session with the first host that will do.
    pub(super) async fn connect(&self) -> Result<Session, BrokerError> {
        // The settings were good when they were checked: a file has changed since, and may change again.
        let (target, _) = self.target().map_err(|error| unreachable(&"the database", &error))?;
        let mut failures = Vec::new();
        for host in &target.hosts {
            match connect_host(&target, host).await {
                Ok(session) => return Ok(session),
                // As libpq does: another host would not like us better.
                Err(error) if error.is_refused() => return Err(error),
                Err(error) => failures.push(error),
            }
        }
        Err(combine(failures))
    }
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// The name of the operating system's user.
fn user() -> Option<String> {
    let uid = getuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = listed.into_iter().find(|fields| fields.get(2) == Some(&uid.as_str()));
    found.map(|fields| fields[0].to_owned()).or_else(|| std::env::var("USER").ok())
}

/// One error for all hosts: the most telling kind, and every reason.
fn combine(mut failures: Vec<BrokerError>) -> BrokerError {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let deaf = failures.iter().any(BrokerError::is_cannot_listen);
    let reason = failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let target = "every host".to_owned();
    if deaf {
        BrokerError::CannotListen { target, reason }
    } else {
        BrokerError::Unreachable { target, reason }
    }
}

fn unreachable(target: &dyn ToString, reason: &dyn ToString) -> BrokerError {
    BrokerError::Unreachable { target: target.to_string(), reason: clean(&reason.to_string()) }
}

async fn connect_host(target: &Target, host: &Host) -> Result<Session, BrokerError> {
    let late = |what: &str| unreachable(host, &format!("{what} took more than {:?}", target.connect_timeout));
    let addresses = timeout(target.connect_timeout, socket::resolve(host))
        .await
        .map_err(|_| late("looking up its address"))?
        .map_err(|error| unreachable(host, &error))?;
    let mut last = unreachable(host, &"its name has no address");
    for address in addresses {
        let attempt = connect_address(target, host, &address);
        match timeout(target.connect_timeout, attempt).await.unwrap_or_else(|_| Err(late("connecting"))) {
            Ok(session) => return Ok(session),
            Err(error) if error.is_refused() => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// How to try one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    /// TLS, or on the same line without it when the server does not speak TLS.
    TlsIfOffered,
    Tls,
}

/// What one attempt came to.
enum Failure {
    /// The next way may fare better.
    TryOther(BrokerError),
    Final(BrokerError),
}

async fn connect_address(target: &Target, host: &Host, address: &Address) -> Result<Session, BrokerError> {
    let ways: &[Way] = match (address, target.ssl.mode) {
        // libpq never encrypts a Unix socket.
        (Address::Unix(_), _) | (_, SslMode::Disable) => &[Way::Plain],
        (_, SslMode::Allow) => &[Way::Plain, Way::Tls],
        (_, SslMode::Prefer) => &[Way::TlsIfOffered, Way::Plain],
        _ => &[Way::Tls],
    };
    let mut first = None;
    for way in ways {
        match attempt(target, host, address, *way).await {
            Ok(session) => return check_role(session, target.attrs).await,
            Err(Failure::TryOther(error)) => first = first.or(Some(error)),
            Err(Failure::Final(error)) => return Err(first.unwrap_or(error)),
        }
    }
    Err(first.unwrap_or_else(|| unreachable(host, &"there is no way to try")))
}

/// One line, one handshake, one login.
async fn attempt(target: &Target, host: &Host, address: &Address, way: Way) -> Result<Session, Failure> {
    let stop = |error: &dyn ToString| Failure::Final(unreachable(host, error));
    let other = |error: &dyn ToString| Failure::TryOther(unreachable(host, error));
    // A fault in a file counts as a failed handshake, as it does for libpq.
    let upgrade = (way != Way::Plain).then(|| Upgrade::new(&target.ssl, host)).transpose();
    let upgrade = upgrade.map_err(|fault| other(&fault))?;
    let mut line = socket::open(address, &target.keepalive).await.map_err(|error| stop(&error))?;
    let encrypt = match way {
        Way::Plain => false,
        _ if target.ssl.direct => true,
        _ => tls::offered(&mut line).await.map_err(|error| other(&error))?,
    };
    if !encrypt && way == Way::Tls {
        return Err(other(&format!(
            "the server does not speak TLS, and sslmode={} wants it",
            target.ssl.mode.as_str()
        )));
    }
    log_in(target, host, line, upgrade.filter(|_| encrypt)).await
}

async fn log_in(
    target: &Target,
    host: &Host,
    line: Socket,
    upgrade: Option<Upgrade>,
) -> Result<Session, Failure> {
    let login = Arc::new(Login {
        policy: target.auth.clone(),
        has_password: host.password.is_some(),
        ..Login::default()
    });
    let config = config(target, host, upgrade.is_some());
    let made = match upgrade {
        Some(upgrade) => config.connect_raw(Watched::unwatched(line, Arc::clone(&login)), upgrade).await,
        None => config.connect_raw(Watched::new(line, Arc::clone(&login)), Upgrade::never()).await,
    };
    match made {
        Ok((client, connection)) => {
            Ok(Session::new(client, connection, host.to_string(), login.pid.load(Ordering::Relaxed)))
        }
        Err(error) => Err(login_failure(host, &error)),
    }
}

fn config(target: &Target, host: &Host, encrypt: bool) -> Config {
    let mut config = Config::new();
    config
        .user(&target.user)
        .dbname(&target.dbname)
        .application_name(&target.application_name)
        .channel_binding(target.channel_binding)
        .ssl_mode(if encrypt { Offer::Require } else { Offer::Disable })
        // The server has agreed already, or is told by the handshake itself.
        .ssl_negotiation(SslNegotiation::Direct);
    if let Some(options) = &target.options {
        config.options(options);
    }
    if let Some(password) = &host.password {
        config.password(password.expose());
    }
    config
}

/// A refusal by `pg_hba.conf` and a failed handshake may be peculiar to the way; a wrong password is not.
fn login_failure(host: &Host, error: &tokio_postgres::Error) -> Failure {
    let reason = explain(error);
    let refused = BrokerError::Refused { target: host.to_string(), reason: reason.clone() };
    match error.as_db_error().map(|error| error.code().code()) {
        Some("28000") => Failure::TryOther(refused),
        Some(code) if code.starts_with("28") => Failure::Final(refused),
        Some(_) => Failure::Final(unreachable(host, &reason)),
        None if is_forbidden(error) => Failure::Final(refused),
        None => Failure::TryOther(unreachable(host, &reason)),
    }
}

/// Whether `login.rs` ended the login.
fn is_forbidden(error: &tokio_postgres::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Standby or not, writable or not, and which process: one round trip. Also stops the server from ending a
/// session that is silent because there is nothing to say.
const ROLE: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), pg_backend_pid(), \
    CASE WHEN current_setting('idle_session_timeout', true) IS NOT NULL \
    THEN set_config('idle_session_timeout', '0', false) END";

async fn check_role(mut session: Session, attrs: SessionAttrs) -> Result<Session, BrokerError> {
    let rows = session.simple_query(ROLE).await?;
    let row = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |at: usize| row.and_then(|row: &SimpleQueryRow| row.get(at)).unwrap_or_default();
    let cannot = |reason: &str| BrokerError::CannotListen {
        target: session.target().to_owned(),
        reason: reason.to_owned(),
    };
    if column(0) == "t" {
        return Err(cannot(
            "it is a hot standby, where neither LISTEN nor NOTIFY works; connect to the primary",
        ));
    }
    match (attrs, column(1)) {
        (SessionAttrs::ReadWrite, "on") => {
            return Err(cannot("it is read-only, and target_session_attrs=read-write"));
        }
        (SessionAttrs::ReadOnly, "off") => {
            return Err(cannot("it is writable, and target_session_attrs=read-only"));
        }
        _ => {}
    }
    let pid = column(2).parse().ok();
    session.set_server_pid(pid);
    Ok(session)
}

/// What a driver's error says, all of it, on one line.
pub(super) fn explain(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return clean(&format!("{}: {} ({})", server.severity(), server.message(), server.code().code()));
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    if text.contains("UnsupportedCertVersion") {
        text.push_str(
            "; it is of X.509 version 1, which cannot be checked here: issue it anew with extensions",
        );
    }
    clean(&text)
}

/// Text from outside must not forge lines in a log.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

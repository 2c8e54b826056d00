//! What the settings mean: where to connect, as whom, and how long to wait.
//!
//! Pure but for the password file. Made anew for every connection, so that changed environments, files and
//! passwords are found.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;

use super::conninfo::{Conninfo, Environment, config};
use super::login::AuthPolicy;
use super::passfile::{self, Wanted};
use super::ssl::Ssl;
use crate::{BrokerError, Secret};

/// Where Debian's servers and then everybody's put their socket.
const SOCKET_DIRS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// How long one address may take to be connected when the settings say nothing, or zero, for which libpq waits for
/// ever: who waits for ever is deaf.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// When the settings say nothing: a peer that is gone is noticed after 5 + 3 × 2 s of silence, and after 10 s of
/// data that nobody acknowledges. The system's own defaults are hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_COUNT: u32 = 3;
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything one connection needs to know.
#[derive(Debug)]
pub(super) struct Target {
    /// In the order to try them.
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) dbname: String,
    pub(super) options: Option<String>,
    pub(super) application_name: String,
    pub(super) ssl: Ssl,
    pub(super) channel_binding: ChannelBinding,
    pub(super) auth: AuthPolicy,
    pub(super) attrs: SessionAttrs,
    pub(super) connect_timeout: Duration,
    pub(super) keepalive: Keepalive,
}

/// One of the hosts.
#[derive(Debug)]
pub(super) struct Host {
    /// The name, or the directory of a Unix socket (`@name` for an abstract one), or an address.
    pub(super) name: String,
    /// Where to connect instead of looking the name up.
    pub(super) addr: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) password: Option<Secret>,
}

/// What a server must be. A hot standby never serves: it can neither listen nor notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionAttrs {
    Any,
    ReadWrite,
    ReadOnly,
}

/// TCP settings; none leaves one to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) on: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout: Option<Duration>,
}

impl Target {
    /// Reads settings that are complete.
    pub(super) fn new(
        info: &Conninfo,
        environment: &Environment<'_>,
        name: &str,
    ) -> Result<Self, BrokerError> {
        let user = info
            .get("user")
            .map(ToOwned::to_owned)
            .or_else(|| environment.user.clone())
            .ok_or_else(|| config("no user is set, and the operating system's user has no name"))?;
        let dbname = info.get("dbname").unwrap_or(&user).to_owned();
        let mut hosts = hosts(info)?;
        let passfile = passfile_path(info, environment);
        for host in &mut hosts {
            host.password = password(info, host, passfile.as_deref(), &dbname, &user);
        }
        if choice(info, "load_balance_hosts", &[("disable", false), ("random", true)])?.unwrap_or(false) {
            fastrand::shuffle(&mut hosts);
        }
        Ok(Self {
            hosts,
            options: info.get("options").map(ToOwned::to_owned),
            application_name: application_name(info, name),
            ssl: Ssl::new(info, environment.home.as_deref())?,
            channel_binding: choice(info, "channel_binding", CHANNEL_BINDINGS)?
                .unwrap_or(ChannelBinding::Prefer),
            auth: AuthPolicy::parse(info.get("require_auth").unwrap_or_default())?,
            attrs: choice(info, "target_session_attrs", SESSION_ATTRS)?
                .unwrap_or(Some(SessionAttrs::Any))
                .ok_or_else(|| {
                    config("target_session_attrs=standby cannot work: a standby does not listen")
                })?,
            connect_timeout: seconds(info, "connect_timeout")?.unwrap_or(CONNECT_TIMEOUT),
            keepalive: keepalive(info)?,
            user,
            dbname,
        })
    }

    /// What the operator should hear about once.
    pub(super) fn warnings(&self, info: &Conninfo, environment: &Environment<'_>) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.hosts.iter().any(|host| host.password.is_none()) {
            warnings.extend(passfile_path(info, environment).and_then(|path| passfile::fault(&path)));
        }
        if let Some(host) =
            self.hosts.iter().find(|host| !host.is_local()).filter(|_| self.ssl.mode.may_be_plain())
        {
            warnings.push(format!(
                "sslmode={} lets anyone between here and {host} read and change messages; use verify-full",
                self.ssl.mode.as_str()
            ));
        }
        warnings
    }
}

const CHANNEL_BINDINGS: &[(&str, ChannelBinding)] = &[
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

/// `primary` asks for no more than what always holds; `prefer-standby` can only end at a primary.
const SESSION_ATTRS: &[(&str, Option<SessionAttrs>)] = &[
    ("any", Some(SessionAttrs::Any)),
    ("primary", Some(SessionAttrs::Any)),
    ("prefer-standby", Some(SessionAttrs::Any)),
    ("read-write", Some(SessionAttrs::ReadWrite)),
    ("read-only", Some(SessionAttrs::ReadOnly)),
    ("standby", None),
];

impl Host {
    /// The socket's path, when this is a Unix socket.
    pub(super) fn socket_path(&self) -> Option<PathBuf> {
        let is_socket = self.addr.is_none() && (self.name.starts_with('/') || self.name.starts_with('@'));
        is_socket.then(|| Path::new(&self.name).join(format!(".s.PGSQL.{}", self.port)))
    }

    /// Whether the bytes stay on this machine.
    fn is_local(&self) -> bool {
        match self.addr.or_else(|| self.name.parse().ok()) {
            Some(address) => address.is_loopback(),
            None => self.name == "localhost" || self.socket_path().is_some(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.socket_path(), self.addr) {
            (Some(path), _) => write!(f, "{}", path.display()),
            (None, Some(addr)) if self.name.is_empty() => write!(f, "{addr}:{}", self.port),
            (None, Some(addr)) => write!(f, "{} ({addr}):{}", self.name, self.port),
            (None, None) => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// The lists `host`, `hostaddr` and `port`, put side by side.
fn hosts(info: &Conninfo) -> Result<Vec<Host>, BrokerError> {
    let list =
        |keyword: &str| info.get(keyword).map(|value| value.split(',').map(str::trim).collect::<Vec<_>>());
    let (names, addrs) = (list("host"), list("hostaddr"));
    let count = addrs.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    let ports = list("port").unwrap_or_default();
    if names.as_ref().is_some_and(|names| names.len() != count) || (ports.len() > 1 && ports.len() != count) {
        return Err(config("host, hostaddr and port do not have the same number of entries"));
    }
    (0..count)
        .map(|at| {
            let port = match ports.get(at).or(ports.first()).filter(|port| !port.is_empty()) {
                Some(port) => port
                    .parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(|| config("a port is not a number from 1 to 65535"))?,
                None => 5432,
            };
            let addr = addrs.as_ref().map(|addrs| addrs[at]).filter(|addr| !addr.is_empty());
            let addr = addr
                .map(|addr| {
                    addr.parse().map_err(|_| config(format!("hostaddr {addr:?} is not an IP address")))
                })
                .transpose()?;
            let name = names.as_ref().map(|names| names[at]).unwrap_or_default();
            if name.rfind('@').is_some_and(|at| at > 0) {
                // The rest of a password, more often than not: do not repeat it.
                return Err(config("a host holds an \"@\"; in a URL, write one in a password as %40"));
            }
            let name = if name.is_empty() && addr.is_none() { default_host(port) } else { name.to_owned() };
            Ok(Host { name, addr, port, password: None })
        })
        .collect()
}

/// The directory that holds the socket of that port.
fn default_host(port: u16) -> String {
    let holds = |dir: &&str| Path::new(dir).join(format!(".s.PGSQL.{port}")).exists();
    SOCKET_DIRS.into_iter().find(holds).unwrap_or(SOCKET_DIRS[0]).to_owned()
}

fn passfile_path(info: &Conninfo, environment: &Environment<'_>) -> Option<PathBuf> {
    let default = || environment.home.as_ref().map(|home| home.join(".pgpass"));
    info.get("passfile").map(PathBuf::from).or_else(default)
}

fn password(
    info: &Conninfo,
    host: &Host,
    passfile: Option<&Path>,
    dbname: &str,
    user: &str,
) -> Option<Secret> {
    if let Some(password) = info.get("password") {
        return Some(password.into());
    }
    let addr = host.addr.map(|addr| addr.to_string());
    let name = match (host.name.as_str(), &addr) {
        ("", Some(addr)) => addr,
        (dir, _) if SOCKET_DIRS.contains(&dir) => "localhost",
        (name, _) => name,
    };
    passfile::look_up(passfile?, &Wanted { host: name, port: &host.port.to_string(), dbname, user })
}

fn application_name(info: &Conninfo, name: &str) -> String {
    info.get("application_name").or_else(|| info.get("fallback_application_name")).unwrap_or(name).to_owned()
}

fn keepalive(info: &Conninfo) -> Result<Keepalive, BrokerError> {
    let or_default = |keyword: &str, default: Duration, unit: fn(u64) -> Duration| {
        Ok(match number(info, keyword)? {
            None => Some(default),
            Some(value) => u64::try_from(value).ok().filter(|value| *value > 0).map(unit),
        })
    };
    Ok(Keepalive {
        on: number(info, "keepalives")? != Some(0),
        idle: or_default("keepalives_idle", KEEPALIVE_IDLE, Duration::from_secs)?,
        interval: or_default("keepalives_interval", KEEPALIVE_INTERVAL, Duration::from_secs)?,
        count: match number(info, "keepalives_count")? {
            None => Some(KEEPALIVE_COUNT),
            Some(value) => u32::try_from(value).ok().filter(|value| *value > 0),
        },
        user_timeout: or_default("tcp_user_timeout", TCP_USER_TIMEOUT, Duration::from_millis)?,
    })
}

fn seconds(info: &Conninfo, keyword: &str) -> Result<Option<Duration>, BrokerError> {
    let positive = |value| u64::try_from(value).ok().filter(|value| *value > 0);
    Ok(number(info, keyword)?.and_then(positive).map(Duration::from_secs))
}

fn number(info: &Conninfo, keyword: &str) -> Result<Option<i32>, BrokerError> {
    let Some(value) = info.get(keyword) else { return Ok(None) };
    match value.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(config(format!("{keyword}={value:?} is not a whole number"))),
    }
}

/// The value of a keyword that has a fixed set of them.
pub(super) fn choice<T: Clone>(
    info: &Conninfo,
    keyword: &str,
    values: &[(&str, T)],
) -> Result<Option<T>, BrokerError> {
    let Some(value) = info.get(keyword) else { return Ok(None) };
    if let Some((_, meaning)) = values.iter().find(|(name, _)| *name == value) {
        return Ok(Some(meaning.clone()));
    }
    let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
    Err(config(format!("{keyword}={value:?} is none of: {}", names.join(", "))))
}

#[cfg(test)]
mod tests;

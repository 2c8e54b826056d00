//! Connection URLs: `postgresql://user:password@host:port,host2:port2/dbname?keyword=value&…`.
//!
//! Every part may be percent-encoded; every part may be missing. Shows no part of the URL in an error.

use super::conninfo::{Conninfo, config};
use crate::{BrokerError, Secret};

/// What follows the scheme, if the text is a URL.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// A URL without its scheme.
pub(super) fn parse(rest: &str) -> Result<Conninfo, BrokerError> {
    let mut conninfo = Conninfo::default();
    let rest = parse_user(rest, &mut conninfo)?;
    let rest = parse_hosts(rest, &mut conninfo)?;
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, query),
        None => (rest, ""),
    };
    if let Some(name) = path.strip_prefix('/').filter(|name| !name.is_empty()) {
        conninfo.set("dbname", decode(name)?)?;
    }
    parse_query(query, &mut conninfo)?;
    Ok(conninfo)
}

/// `user[:password]@`, when there is an `@` before the first slash.
fn parse_user<'a>(rest: &'a str, conninfo: &mut Conninfo) -> Result<&'a str, BrokerError> {
    let Some(at) = rest.find(['@', '/']).filter(|at| rest[*at..].starts_with('@')) else { return Ok(rest) };
    let (user, password) = match rest[..at].split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (&rest[..at], None),
    };
    if !user.is_empty() {
        conninfo.set("user", decode(user)?)?;
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        conninfo.set("password", decode(password)?)?;
    }
    Ok(&rest[at + 1..])
}

/// `host[:port][,…]`. Leaves what begins with the path or the query.
fn parse_hosts<'a>(mut rest: &'a str, conninfo: &mut Conninfo) -> Result<&'a str, BrokerError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    loop {
        let (host, after) = match rest.strip_prefix('[') {
            Some(inner) => {
                inner.split_once(']').filter(|(address, _)| !address.is_empty()).ok_or_else(|| {
                    config("the connection URL has a \"[\" without an IPv6 address and \"]\" after it")
                })?
            }
            None => rest.split_at(rest.find([':', '/', '?', ',']).unwrap_or(rest.len())),
        };
        hosts.push(host);
        let end = after.find(['/', '?', ',']).unwrap_or(after.len());
        match &after[..end] {
            "" => ports.push(""),
            port if port.starts_with(':') => ports.push(&port[1..]),
            _ => return Err(config("the connection URL has something else than a port after \"]\"")),
        }
        let Some(next) = after[end..].strip_prefix(',') else {
            set_list(conninfo, "host", &hosts)?;
            set_list(conninfo, "port", &ports)?;
            return Ok(&after[end..]);
        };
        rest = next;
    }
}

fn set_list(conninfo: &mut Conninfo, keyword: &str, parts: &[&str]) -> Result<(), BrokerError> {
    let joined = parts.join(",");
    if joined.is_empty() { Ok(()) } else { conninfo.set(keyword, decode(&joined)?) }
}

fn parse_query(query: &str, conninfo: &mut Conninfo) -> Result<(), BrokerError> {
    let query = query.strip_suffix('&').filter(|pairs| !pairs.is_empty()).unwrap_or(query);
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let Some((name, value)) = pair.split_once('=').filter(|(_, value)| !value.contains('=')) else {
            return Err(config("each parameter of the connection URL must be keyword=value"));
        };
        let (name, value) = (decode(name)?, decode(value)?);
        match (name.expose(), value.expose()) {
            ("ssl", "true") => conninfo.set("sslmode", "require".into())?,
            (name, _) => conninfo.set(name, value.clone())?,
        }
    }
    Ok(())
}

/// Percent-decoding. The result may be anything but must be UTF-8 without NUL. Spaces around it are nothing, one
/// within must be encoded.
fn decode(text: &str) -> Result<Secret, BrokerError> {
    let text = text.trim_matches(' ');
    if text.contains(' ') {
        return Err(config("the connection URL holds a space; write it as %20"));
    }
    let fault = || config("the connection URL holds a \"%\" that does not begin a valid %XX");
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            decoded.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = bytes.get(at + 1..at + 3).ok_or_else(fault)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
        match (digit(digits[0]), digit(digits[1])) {
            (Some(0), Some(0)) | (None, _) | (_, None) => return Err(fault()),
            (Some(high), Some(low)) => decoded.push(high * 16 + low),
        }
        at += 3;
    }
    String::from_utf8(decoded)
        .map(Secret::from)
        .map_err(|_| config("the connection URL is not UTF-8 when decoded"))
}

//! Every keyword a connection may be described with, and what becomes of it here.
//!
//! The list is libpq's (version 18), because workers read the same settings through it. A keyword we cannot honour
//! is refused, never skipped; those that change nothing for a listening connection are named here as such.

use crate::BrokerError;

/// What a keyword is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Read in `target.rs` or on the way there.
    Used,
    /// Known, and of no effect on a connection that listens or notifies.
    NoEffect,
    /// Only these values can be honoured, and change nothing; the text says why.
    Only(&'static [&'static str], &'static str),
}

/// One keyword.
pub(super) struct Keyword {
    pub(super) name: &'static str,
    /// The environment variable that stands in for it.
    pub(super) env: Option<&'static str>,
    pub(super) meaning: Meaning,
}

const fn used(name: &'static str, env: &'static str) -> Keyword {
    Keyword { name, env: Some(env), meaning: Meaning::Used }
}

const fn plain(name: &'static str) -> Keyword {
    Keyword { name, env: None, meaning: Meaning::Used }
}

const fn no_effect(name: &'static str) -> Keyword {
    Keyword { name, env: None, meaning: Meaning::NoEffect }
}

const fn only(
    name: &'static str,
    env: Option<&'static str>,
    values: &'static [&'static str],
    why: &'static str,
) -> Keyword {
    Keyword { name, env, meaning: Meaning::Only(values, why) }
}

pub(super) const KEYWORDS: &[Keyword] = &[
    used("service", "PGSERVICE"),
    used("servicefile", "PGSERVICEFILE"),
    used("user", "PGUSER"),
    used("password", "PGPASSWORD"),
    used("passfile", "PGPASSFILE"),
    used("channel_binding", "PGCHANNELBINDING"),
    used("connect_timeout", "PGCONNECT_TIMEOUT"),
    used("dbname", "PGDATABASE"),
    used("host", "PGHOST"),
    used("hostaddr", "PGHOSTADDR"),
    used("port", "PGPORT"),
    used("options", "PGOPTIONS"),
    used("application_name", "PGAPPNAME"),
    plain("fallback_application_name"),
    plain("keepalives"),
    plain("keepalives_idle"),
    plain("keepalives_interval"),
    plain("keepalives_count"),
    plain("tcp_user_timeout"),
    used("sslmode", "PGSSLMODE"),
    used("sslnegotiation", "PGSSLNEGOTIATION"),
    used("sslcert", "PGSSLCERT"),
    used("sslkey", "PGSSLKEY"),
    used("sslcertmode", "PGSSLCERTMODE"),
    used("sslrootcert", "PGSSLROOTCERT"),
    used("sslcrl", "PGSSLCRL"),
    used("sslsni", "PGSSLSNI"),
    used("require_auth", "PGREQUIREAUTH"),
    used("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    used("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    used("target_session_attrs", "PGTARGETSESSIONATTRS"),
    used("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    // The connection speaks UTF-8 whatever is asked for: payloads are UTF-8.
    no_effect("client_encoding"),
    // Neither is ever used by a current libpq or server.
    no_effect("sslcompression"),
    no_effect("authtype"),
    no_effect("tty"),
    // A key that needs it is refused when it is read.
    no_effect("sslpassword"),
    no_effect("sslkeylogfile"),
    // Kerberos and OAuth logins are not spoken: a server that insists on them refuses the login.
    no_effect("krbsrvname"),
    no_effect("gsslib"),
    no_effect("gssdelegation"),
    no_effect("oauth_issuer"),
    no_effect("oauth_client_id"),
    no_effect("oauth_client_secret"),
    no_effect("oauth_scope"),
    // Arguments of psycopg.connect() that travel in the same mapping.
    no_effect("autocommit"),
    no_effect("prepare_threshold"),
    no_effect("row_factory"),
    no_effect("cursor_factory"),
    no_effect("context"),
    only("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"], "GSSAPI encryption is not spoken here"),
    only("sslcrldir", Some("PGSSLCRLDIR"), &[], "name one file with sslcrl instead"),
    only("requirepeer", Some("PGREQUIREPEER"), &[], "the owner of a socket is not checked here"),
    only("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"], "protocol 3.0 is spoken here"),
    only(
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        &["3.0", "3.2", "latest"],
        "protocol 3.0 is spoken here",
    ),
    only("replication", None, REPLICATION_OFF, "a replication connection cannot listen"),
    only("scram_client_key", None, &[], "log in with a password instead"),
    only("scram_server_key", None, &[], "log in with a password instead"),
];

const REPLICATION_OFF: &[&str] = &["false", "off", "no", "0"];

/// The keyword of that name, or an error with the nearest one there is.
pub(super) fn find(name: &str) -> Result<&'static Keyword, BrokerError> {
    if let Some(keyword) = KEYWORDS.iter().find(|keyword| keyword.name == name) {
        return Ok(keyword);
    }
    let nearest = KEYWORDS
        .iter()
        .map(|keyword| (strsim::damerau_levenshtein(&name.to_lowercase(), keyword.name), keyword.name))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4);
    let hint = nearest.map(|(_, known)| format!("; did you mean {known:?}?")).unwrap_or_default();
    Err(BrokerError::Config(format!("unknown connection keyword {name:?}{hint}")))
}

/// Refuses a value that cannot be honoured. An empty value is an absent one.
pub(super) fn check(keyword: &Keyword, value: &str) -> Result<(), BrokerError> {
    match keyword.meaning {
        Meaning::Only(values, why) if !value.is_empty() && !values.contains(&value) => {
            Err(BrokerError::Config(format!(
                "this value of connection keyword {:?} cannot be used: {why}",
                keyword.name
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keyword_is_named_with_the_nearest_one() {
        let error = find("sslmod").err().unwrap().to_string();
        assert_eq!(error, "unknown connection keyword \"sslmod\"; did you mean \"sslmode\"?");
        assert_eq!(
            find("hots").err().unwrap().to_string(),
            "unknown connection keyword \"hots\"; did you mean \"host\"?"
        );
        assert_eq!(
            find("xyzzyplugh").err().unwrap().to_string(),
            "unknown connection keyword \"xyzzyplugh\""
        );
    }

    #[test]
    fn values_that_cannot_be_honoured_are_refused_without_being_shown() {
        let keyword = find("gssencmode").ok().unwrap();
        assert!(check(keyword, "prefer").is_ok() && check(keyword, "").is_ok());
        assert!(check(keyword, "require").unwrap_err().to_string().contains("GSSAPI"));
        let error = check(find("scram_client_key").ok().unwrap(), "topsecret").unwrap_err().to_string();
        assert!(!error.contains("topsecret"), "{error}");
    }
}

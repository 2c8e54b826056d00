//! The `ssl*` settings, with the meanings libpq gives them.
//!
//! | mode | encrypts | checks the chain | checks the name |
//! | --- | --- | --- | --- |
//! | disable | no | | |
//! | allow | if the server insists | if there is a root file | no |
//! | prefer | if the server can | if there is a root file | no |
//! | require | yes | if there is a root file | no |
//! | verify-ca | yes | yes | no |
//! | verify-full | yes | yes | yes |

use std::path::{Path, PathBuf};

use super::conninfo::{Conninfo, config};
use super::target::choice;
use crate::BrokerError;

/// `sslmode`, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

const MODES: &[(&str, SslMode)] = &[
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

impl SslMode {
    /// As the settings spell it.
    pub(super) fn as_str(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    /// Whether an unencrypted connection is good enough.
    pub(super) fn may_be_plain(self) -> bool {
        self <= Self::Prefer
    }
}

/// What a server's certificate has to descend from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// What the operating system trusts.
    System,
    /// The certificates of this file. One that does not exist means no check, or an error where a check is asked for.
    File(PathBuf),
    /// No file is named and there is no home directory to look into.
    Nowhere,
}

/// A version of TLS that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsVersion {
    V12,
    V13,
}

/// Everything about encryption, before any file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ssl {
    pub(super) mode: SslMode,
    pub(super) roots: Roots,
    /// Begin with TLS at once instead of asking for it.
    pub(super) direct: bool,
    /// The client's own certificate and key, if the files exist.
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) crl: Option<PathBuf>,
    /// Tell the server its name.
    pub(super) sni: bool,
    /// The versions of TLS that may be spoken.
    pub(super) versions: Vec<TlsVersion>,
}

impl Ssl {
    /// Reads the settings; `home` is where the default files are.
    pub(super) fn new(info: &Conninfo, home: Option<&Path>) -> Result<Self, BrokerError> {
        let default = |file: &str| home.map(|home| home.join(".postgresql").join(file));
        let path = |keyword: &str, file: &str| info.get(keyword).map(PathBuf::from).or_else(|| default(file));
        let system = info.get("sslrootcert") == Some("system");
        let weakest = if system { SslMode::VerifyFull } else { SslMode::Prefer };
        let mode = choice(info, "sslmode", MODES)?.unwrap_or(weakest);
        if system && mode != SslMode::VerifyFull {
            return Err(config(
                "sslrootcert=system needs sslmode=verify-full: anyone may have a certificate from there",
            ));
        }
        let direct =
            choice(info, "sslnegotiation", &[("postgres", false), ("direct", true)])?.unwrap_or(false);
        if direct && mode.may_be_plain() {
            return Err(config("sslnegotiation=direct needs sslmode=require or more"));
        }
        let offers_cert = choice(
            info,
            "sslcertmode",
            &[("disable", Some(false)), ("allow", Some(true)), ("require", None)],
        )?
        .unwrap_or(Some(true))
        .ok_or_else(|| {
            config("sslcertmode=require cannot be used: what the server asked for is not known here")
        })?;
        Ok(Self {
            mode,
            roots: if system {
                Roots::System
            } else {
                path("sslrootcert", "root.crt").map_or(Roots::Nowhere, Roots::File)
            },
            direct,
            cert: path("sslcert", "postgresql.crt").filter(|_| offers_cert),
            key: path("sslkey", "postgresql.key"),
            crl: path("sslcrl", "root.crl"),
            sni: choice(info, "sslsni", &[("0", false), ("1", true)])?.unwrap_or(true),
            versions: versions(info)?,
        })
    }
}

/// The versions between the least and the greatest. Those before 1.2 are never spoken.
fn versions(info: &Conninfo) -> Result<Vec<TlsVersion>, BrokerError> {
    const NAMES: &[(&str, u8)] =
        &[("TLSv1", 0), ("TLSv1.0", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];
    let least = choice(info, "ssl_min_protocol_version", NAMES)?.unwrap_or(2);
    let greatest = choice(info, "ssl_max_protocol_version", NAMES)?.unwrap_or(3);
    let spoken: Vec<_> = [(2, TlsVersion::V12), (3, TlsVersion::V13)]
        .into_iter()
        .filter_map(|(rank, version)| (least..=greatest).contains(&rank).then_some(version))
        .collect();
    if spoken.is_empty() {
        return Err(config(
            "ssl_min_protocol_version and ssl_max_protocol_version leave neither TLS 1.2 nor TLS 1.3",
        ));
    }
    Ok(spoken)
}

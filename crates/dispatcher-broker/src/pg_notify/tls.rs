//! TLS to a server: reads the files that the settings name, asks the server for TLS, shakes hands.
//!
//! Files are read for every connection, so that replaced certificates are found.

use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::login::Watched;
use super::socket::Socket;
use super::ssl::{Roots, Ssl, SslMode, TlsVersion};
use super::target::Host;
use super::verify::Verifier;

/// The question "do you speak TLS?": length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Shakes hands over a socket once the server has agreed to.
pub(super) struct Upgrade {
    /// None for a line that stays as it is: nobody asks then.
    config: Option<ClientConfig>,
    name: String,
}

pub(super) type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

impl Upgrade {
    /// For this host. The text of an error names the file that is at fault.
    pub(super) fn new(ssl: &Ssl, host: &Host) -> Result<Self, String> {
        let name = match host.addr {
            Some(_) if host.name.is_empty() && ssl.mode == SslMode::VerifyFull => {
                return Err("sslmode=verify-full needs the name of the host, not only hostaddr".to_owned());
            }
            Some(addr) if host.name.is_empty() => addr.to_string(),
            _ => host.name.clone(),
        };
        if ssl.mode == SslMode::VerifyFull && name.ends_with('.') {
            return Err("no certificate is for a host name that ends with a dot".to_owned());
        }
        Ok(Self { config: Some(client_config(ssl)?), name })
    }

    /// For a line that stays unencrypted.
    pub(super) fn never() -> Self {
        Self { config: None, name: String::new() }
    }
}

impl TlsConnect<Watched<Socket>> for Upgrade {
    type Stream = Watched<Encrypted>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, stream: Watched<Socket>) -> Self::Future {
        let (socket, login) = stream.into_parts();
        Box::pin(async move {
            let config = self.config.ok_or_else(|| io::Error::other("this line was to stay unencrypted"))?;
            let mut connector = MakeRustlsConnect::new(config);
            let Ok(connect) = MakeTlsConnect::<Socket>::make_tls_connect(&mut connector, &self.name);
            connect.connect(socket).await.map(|stream| Watched::new(stream, login))
        })
    }
}

/// Asks the server whether it speaks TLS on this connection.
pub(super) async fn offered(socket: &mut Socket) -> io::Result<bool> {
    socket.write_all(&SSL_REQUEST).await?;
    match socket.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // Whatever else follows was not sent by anybody we have reason to trust.
        _ => Err(io::Error::other("the server answered the request for TLS with something else")),
    }
}

fn client_config(ssl: &Ssl) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = match trusted(ssl)? {
        None => Verifier::any(&provider),
        Some((certs, whence)) => {
            let check_name = ssl.mode == SslMode::VerifyFull;
            Verifier::chain(&provider, certs, crls(ssl)?, check_name)
                .map_err(|why| format!("{whence}: {why}"))?
        }
    };
    let version = |version: &TlsVersion| match version {
        TlsVersion::V12 => &rustls::version::TLS12,
        TlsVersion::V13 => &rustls::version::TLS13,
    };
    let versions: Vec<_> = ssl.versions.iter().map(version).collect();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_cert(ssl)? {
        None => builder.with_no_client_auth(),
        Some((cert, key, path)) => builder
            .with_client_auth_cert(cert, key)
            .map_err(|error| format!("client certificate {} does not work: {error}", path.display()))?,
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    config.enable_sni = ssl.sni;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// What a certificate has to descend from, and where that is written; none when any certificate will do.
fn trusted(ssl: &Ssl) -> Result<Option<(Vec<CertificateDer<'static>>, String)>, String> {
    let must = ssl.mode >= SslMode::VerifyCa;
    match &ssl.roots {
        Roots::System => {
            Ok(Some((rustls_native_certs::load_native_certs().certs, "the system's certificates".to_owned())))
        }
        Roots::File(path) if exists(path)? => {
            let whence = format!("root certificate file {}", path.display());
            let certs = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            Ok(Some((certs.map_err(|error| format!("{whence}: {error}"))?, whence)))
        }
        Roots::File(path) if must => Err(format!(
            "root certificate file {} does not exist: provide it, name another with sslrootcert, or use the \
             system's with sslrootcert=system",
            path.display()
        )),
        Roots::Nowhere if must => {
            Err("there is no root certificate file: name one with sslrootcert".to_owned())
        }
        Roots::File(_) | Roots::Nowhere => Ok(None),
    }
}

fn crls(ssl: &Ssl) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let Some(path) = &ssl.crl else { return Ok(Vec::new()) };
    if !exists(path)? {
        return Ok(Vec::new());
    }
    CertificateRevocationListDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| format!("revocation list {}: {error}", path.display()))
}

type ClientCert = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, PathBuf);

/// Our own certificate, if its file exists; then its key must, and be ours alone.
fn client_cert(ssl: &Ssl) -> Result<Option<ClientCert>, String> {
    let Some(path) = &ssl.cert else { return Ok(None) };
    if !exists(path)? {
        return Ok(None);
    }
    let fault = |error| format!("client certificate {}: {error}", path.display());
    let certs = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(fault)?;
    let key_path =
        ssl.key.as_ref().ok_or("there is a client certificate but no key: name one with sslkey")?;
    check_key_file(key_path)?;
    let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| {
        format!("private key {}: {error}; it must be an unencrypted key in PEM form", key_path.display())
    })?;
    Ok(Some((certs, key, path.clone())))
}

/// The rule of libpq: a key of ours is for us alone; one of root's may be read by a group.
fn check_key_file(path: &Path) -> Result<(), String> {
    let fault = |why: &str| Err(format!("private key {}: {why}", path.display()));
    let metadata = match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) => metadata,
        Err(error) => return fault(&error.to_string()),
    };
    if !metadata.is_file() {
        return fault("it is not a plain file");
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.permissions().mode() & forbidden != 0 {
        return fault("others may read or change it; run chmod 600 on it");
    }
    Ok(())
}

/// A file that cannot be looked at is not one that does not exist.
fn exists(path: &Path) -> Result<bool, String> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(format!("cannot look at {}: {error}", path.display())),
    }
}

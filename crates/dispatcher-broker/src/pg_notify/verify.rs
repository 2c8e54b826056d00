//! Whether a server's certificate is good enough, decided as libpq decides it.
//!
//! Where the two libraries underneath differ, the stricter answer counts, so that nothing is accepted here that
//! libpq would refuse. A signature over the handshake is checked in every mode: it is what channel binding rests on.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;

mod version_1;

/// Checks a server's certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    chain: Option<Chain>,
    check_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Chain {
    webpki: Arc<WebPkiServerVerifier>,
    /// Certificates that end a chain: those that are their own issuer, as OpenSSL has it.
    roots: Vec<CertificateDer<'static>>,
    /// The other certificates of the root file: they may stand within a chain.
    between: Vec<CertificateDer<'static>>,
    has_crls: bool,
}

impl Verifier {
    /// Accepts every certificate whose key the server holds.
    pub(super) fn any(provider: &CryptoProvider) -> Self {
        Self { chain: None, check_name: false, algorithms: provider.signature_verification_algorithms }
    }

    /// Accepts certificates that descend from `trusted`, and with `check_name` only those for the host's name.
    pub(super) fn chain(
        provider: &Arc<CryptoProvider>,
        trusted: Vec<CertificateDer<'static>>,
        crls: Vec<CertificateRevocationListDer<'static>>,
        check_name: bool,
    ) -> Result<Self, String> {
        let (roots, between): (Vec<_>, Vec<_>) = trusted.into_iter().partition(|der| {
            Certificate::from_der(der)
                .is_ok_and(|cert| cert.tbs_certificate.issuer == cert.tbs_certificate.subject)
        });
        let mut store = RootCertStore::empty();
        let (usable, _) = store.add_parsable_certificates(roots.iter().cloned());
        if usable == 0 {
            return Err("there is no root certificate in it".to_owned());
        }
        let has_crls = !crls.is_empty();
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
            .with_crls(crls)
            .enforce_revocation_expiration()
            .build()
            .map_err(|error| error.to_string())?;
        let chain = Chain { webpki, roots, between, has_crls };
        Ok(Self { chain: Some(chain), check_name, algorithms: provider.signature_verification_algorithms })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        if !chain.has_crls && version_1::is_one(end_entity) {
            version_1::check(end_entity, &chain.roots, &self.algorithms, now)?;
            return self.name_unless_unwanted(end_entity, server_name, CertificateError::NotValidForName);
        }
        let intermediates: Vec<_> = intermediates.iter().chain(&chain.between).cloned().collect();
        let checked =
            chain.webpki.verify_server_cert(end_entity, &intermediates, server_name, ocsp_response, now);
        match checked {
            Ok(good) => Ok(good),
            // The chain is checked before the name.
            Err(Error::InvalidCertificate(
                error @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
            )) => self.name_unless_unwanted(end_entity, server_name, error),
            Err(error @ Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. })) => {
                Err(error)
            }
            // A self-signed certificate that is itself in the root file.
            Err(Error::InvalidCertificate(_))
                if !chain.has_crls && chain.roots.iter().any(|root| root == end_entity) =>
            {
                in_force(&parse(end_entity)?, now)?;
                let mismatch = CertificateError::NotValidForName;
                match rustls::server::ParsedCertificate::try_from(end_entity) {
                    Ok(parsed) if rustls::client::verify_server_name(&parsed, server_name).is_ok() => {
                        Ok(ServerCertVerified::assertion())
                    }
                    _ => self.name_unless_unwanted(end_entity, server_name, mismatch),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    /// By the bare key, so that certificates of version 1, which the manual of the server makes, are no obstacle where
    /// no chain is checked.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key =
            parse(cert)?.tbs_certificate.subject_public_key_info.to_der().map_err(|_| bad_encoding())?;
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(key),
            dss,
            &self.algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// A certificate without alternative names is for the host that its common name names.
    fn name_unless_unwanted(
        &self,
        der: &CertificateDer<'_>,
        host: &ServerName<'_>,
        error: CertificateError,
    ) -> Result<ServerCertVerified, Error> {
        if !self.check_name || common_name_matches(&parse(der)?, &host.to_str()) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(error))
    }
}

fn parse(der: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(der).map_err(|_| bad_encoding())
}

fn bad_encoding() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}

fn in_force(cert: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &cert.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

fn common_name_matches(cert: &Certificate, host: &str) -> bool {
    let subject = &cert.tbs_certificate;
    if !matches!(subject.get::<SubjectAltName>(), Ok(None)) {
        return false;
    }
    let names =
        subject.subject.0.iter().flat_map(|part| part.0.iter()).filter(|pair| pair.oid == COMMON_NAME);
    let mut texts = names.map(|pair| {
        let value = &pair.value;
        Utf8StringRef::try_from(value)
            .map(|text| text.as_str().to_owned())
            .or_else(|_| PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned()))
            .or_else(|_| Ia5StringRef::try_from(value).map(|text| text.as_str().to_owned()))
    });
    matches!((texts.next(), texts.next()), (Some(Ok(name)), None) if name_matches(&name, host))
}

/// Letter case is nothing; a leading `*.` stands for one label.
fn name_matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((label, rest))) => !label.is_empty() && domain.eq_ignore_ascii_case(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::name_matches;

    #[test]
    fn wildcard_stands_for_exactly_one_label() {
        assert!(name_matches("DB.example.org", "db.Example.org"));
        assert!(name_matches("*.example.org", "db.example.org"));
        for host in ["example.org", "a.b.example.org", ".example.org", "db.example.com"] {
            assert!(!name_matches("*.example.org", host), "{host}");
        }
        assert!(!name_matches("*", "localhost"));
    }
}

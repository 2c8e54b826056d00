//! Certificates of X.509 version 1, which the recipe in the manual of Postgres makes and rustls does not read.
//!
//! Such a certificate can say nothing but whose key it holds, so the shortest chain is the only one that is
//! followed: signed by a root that is trusted, and both in force. Never used where a revocation list is given.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::{Certificate, TbsCertificate};

use super::{bad_encoding, in_force, parse};

/// Whether this is a certificate for this file.
pub(super) fn is_one(der: &CertificateDer<'_>) -> bool {
    parse(der).is_ok_and(|cert| cert.tbs_certificate.version == Version::V1)
}

/// Accepts a certificate that one of the roots has signed.
pub(super) fn check(
    der: &CertificateDer<'_>,
    roots: &[CertificateDer<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> Result<(), Error> {
    let cert = parse(der)?;
    in_force(&cert, now)?;
    for root in roots {
        let root = parse(root)?;
        let issuer = &root.tbs_certificate;
        if issuer.subject == cert.tbs_certificate.issuer
            && may_sign(issuer)
            && signed(&cert, issuer, algorithms)?
        {
            return in_force(&root, now);
        }
    }
    Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// A root that says that it is no authority is none. One of version 1 cannot say.
fn may_sign(root: &TbsCertificate) -> bool {
    let is_authority = match root.get::<BasicConstraints>() {
        Ok(Some((_, constraints))) => constraints.ca,
        Ok(None) => root.version == Version::V1,
        Err(_) => false,
    };
    let signs = match root.get::<KeyUsage>() {
        Ok(usage) => usage.is_none_or(|(_, usage)| usage.key_cert_sign()),
        Err(_) => false,
    };
    is_authority && signs
}

fn signed(
    cert: &Certificate,
    root: &TbsCertificate,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<bool, Error> {
    let content =
        |der: &[u8]| AnyRef::from_der(der).map(|any| any.value().to_vec()).map_err(|_| bad_encoding());
    let encoded = |der: x509_cert::der::Result<Vec<u8>>| der.map_err(|_| bad_encoding());
    if cert.signature_algorithm != cert.tbs_certificate.signature {
        return Ok(false);
    }
    let key = &root.subject_public_key_info;
    let signature_algorithm = content(&encoded(cert.signature_algorithm.to_der())?)?;
    let key_algorithm = content(&encoded(key.algorithm.to_der())?)?;
    let message = encoded(cert.tbs_certificate.to_der())?;
    let (Some(key), Some(signature)) = (key.subject_public_key.as_bytes(), cert.signature.as_bytes()) else {
        return Ok(false);
    };
    Ok(algorithms.all.iter().any(|algorithm| {
        algorithm.signature_alg_id().as_ref() == signature_algorithm
            && algorithm.public_key_alg_id().as_ref() == key_algorithm
            && algorithm.verify_signature(key, &message, signature).is_ok()
    }))
}

//! TLS of all doors: a certificate that cannot be used stops the start, it never means plain text. [`Tls`] takes another
//! one while the server runs; connections that are open keep theirs.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// What connections are encrypted with.
pub(crate) struct Tls {
    /// For HTTP in both versions; other doors take its certificate.
    pub(crate) config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
}

/// The certificate of all doors, and its key.
#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl Tls {
    /// Begins with a certificate and its key. `protocols` are offered to the client (ALPN), the best one first.
    ///
    /// # Errors
    /// What [`load`] says.
    pub(super) fn new(files: (&Path, &Path), protocols: &[&str]) -> Result<Self, Failure> {
        let certificate = Arc::new(Certificate(RwLock::new(load(files)?)));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| cannot(files.0, &error))?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        Ok(Self {
            config: Arc::new(config),
            certificate,
        })
    }

    /// Who connects from now on gets this one.
    pub(super) fn replace(&self, certificate: Arc<CertifiedKey>) {
        let current = self.certificate.0.write();
        *current.unwrap_or_else(PoisonError::into_inner) = certificate;
    }
}

/// Reads a certificate chain and its key.
///
/// # Errors
/// A file that cannot be read, holds no certificate or key, or a key that is not the certificate's.
pub(super) fn load(
    (certificate, private_key): (&Path, &Path),
) -> Result<Arc<CertifiedKey>, Failure> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| cannot(certificate, &error))?;
    if chain.is_empty() {
        return Err(cannot(certificate, &"it holds no certificate"));
    }
    let key =
        PrivateKeyDer::from_pem_file(private_key).map_err(|error| cannot(private_key, &error))?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider());
    key.map(Arc::new)
        .map_err(|error| cannot(private_key, &error))
}

fn cannot(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    let text = format!("cannot use {} for TLS: {error}", file.display());
    Failure::new(ExitCode::Configuration, text)
}

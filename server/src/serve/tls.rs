//! TLS of all doors: a certificate that cannot be used stops the start, it never means plain text.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// What connections are encrypted with. `protocols` are offered to the client (ALPN), the best one first.
///
/// # Errors
/// A file that cannot be read, holds no certificate or key, or a key that is not the certificate's.
pub(super) fn load(
    (certificate, private_key): (&Path, &Path),
    protocols: &[&str],
) -> Result<Arc<ServerConfig>, Failure> {
    let cannot = |file: &Path, error: &dyn std::fmt::Display| {
        let text = format!("cannot use {} for TLS: {error}", file.display());
        Failure::new(ExitCode::Configuration, text)
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| cannot(certificate, &error))?;
    if chain.is_empty() {
        return Err(cannot(certificate, &"it holds no certificate"));
    }
    let key =
        PrivateKeyDer::from_pem_file(private_key).map_err(|error| cannot(private_key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| cannot(private_key, &error))?;
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    Ok(Arc::new(config))
}

//! The certificate that a store makes for itself, for clients that insist on `https://`.

use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{self, ServerConfig};

/// A certificate made a moment ago, which nobody trusts who was not given it.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum CertificateError {
    /// It could not be made.
    Made(#[from] rcgen::Error),
    /// TLS could not be set up with it.
    Used(#[from] rustls::Error),
}

impl Certificate {
    /// Makes one for these names and addresses; its key is never written down.
    pub(crate) fn of(names: Vec<String>) -> Result<Self, CertificateError> {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        // Named, because with two providers in one binary rustls would not know which to take.
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            pem: cert.pem(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}

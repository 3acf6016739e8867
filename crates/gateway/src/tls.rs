use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::Error;

/// How often the files are looked at, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Where the certificate and its key are, both as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// A certificate that follows its files: a handshake after they changed uses the new one. Files that cannot be used leave
/// the old one in place and are logged.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    stamps: Stamps,
    checked_at: Instant,
}

/// Change times and lengths, which change when a file is replaced.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// Loads the certificate and the key.
    ///
    /// # Errors
    /// One of the files cannot be read, is not PEM, or they do not belong together.
    pub fn load(files: TlsFiles) -> Result<Self, Error> {
        let stamps = stamps(&files);
        let current = Current { config: Arc::new(server_config(&files)?), stamps, checked_at: Instant::now() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// Loads the files again, whether they changed or not.
    ///
    /// # Errors
    /// As [`Tls::load`]; the certificate in use stays.
    pub fn reload(&self) -> Result<(), Error> {
        let stamps = stamps(&self.files);
        let config = Arc::new(server_config(&self.files)?);
        *self.lock() = Current { config, stamps, checked_at: Instant::now() };
        Ok(())
    }

    /// What the next handshake uses. Looks at the files (two `stat`s, once a second at most).
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        if self.is_stale()
            && let Err(error) = self.reload()
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the new certificate is not used");
        }
        TlsAcceptor::from(self.lock().config.clone())
    }

    fn is_stale(&self) -> bool {
        let mut current = self.lock();
        if current.checked_at.elapsed() < CHECK_INTERVAL {
            return false;
        }
        current.checked_at = Instant::now();
        let now = stamps(&self.files);
        // Remembered also when loading fails, so that a broken file is reported once and not at each handshake.
        std::mem::replace(&mut current.stamps, now) != now
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    [&files.certificate, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn server_config(files: &TlsFiles) -> Result<ServerConfig, Error> {
    let chain = CertificateDer::pem_slice_iter(&read(&files.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem(&files.certificate, error))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| pem(&files.key, error))?;
    // The provider is named here, so that an embedder needs no process-wide default.
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Certificate)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(Error::Certificate)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

fn pem(path: &Path, error: rustls_pki_types::pem::Error) -> Error {
    Error::Pem { path: path.to_owned(), message: error.to_string() }
}

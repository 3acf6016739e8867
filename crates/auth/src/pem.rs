//! Ed25519 private keys as files have them: RFC 8410 in the armour of RFC 7468.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::Ed25519KeyPair;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

/// What comes before the 32 bytes of the key, from the algorithm's identifier (1.3.101.112) on.
const BEFORE_SEED: [u8; 9] = [0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// The same from the beginning, in version 1: a sequence of 46 bytes, of which the first says 0.
const HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The key of the first `PRIVATE KEY` in the text.
pub(crate) fn seed(text: &str) -> Option<[u8; 32]> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok()?;
    let der = key.secret_pkcs8_der();
    // Judges the whole structure, and that a public key in it fits.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    let at = der.windows(BEFORE_SEED.len()).position(|bytes| bytes == BEFORE_SEED)? + BEFORE_SEED.len();
    der.get(at..at + 32)?.try_into().ok()
}

/// A key as a file.
pub(crate) fn written(seed: &[u8; 32]) -> String {
    let der = [&HEAD[..], &seed[..]].concat();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

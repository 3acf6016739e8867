use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::Serialize;

use super::error::Error;
use super::line::canonical;

/// What signs checkpoints: an Ed25519 key (RFC 8032). Cheap to clone; debug output shows the public half.
#[derive(Clone)]
pub struct Signer(Arc<Ed25519KeyPair>);

impl Signer {
    /// The key in a file, PKCS #8 in DER; made with mode 0600 if there is no such file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Key`] if something else is in the file, and [`Error::Unwritable`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let document = match fs::read(path) {
            Ok(document) => document,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(path)?,
            Err(error) => return Err(Error::unreadable(path)(error)),
        };
        let pair = Ed25519KeyPair::from_pkcs8(&document).map_err(|_| Error::Key { path: path.to_owned() })?;
        Ok(Self(Arc::new(pair)))
    }

    /// The public half, 32 bytes in base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.0.public_key())
    }

    pub(super) fn sign(&self, what: &impl Serialize) -> String {
        STANDARD.encode(self.0.sign(message(what).as_bytes()))
    }
}

/// Whether it was signed with the private half of this key. Signatures that are written otherwise than we write them are none.
pub(super) fn is_signed(what: &impl Serialize, signature: &str, public: &str) -> bool {
    let (Ok(key), Ok(bytes)) = (STANDARD.decode(public), STANDARD.decode(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(message(what).as_bytes(), &bytes).is_ok()
}

fn message(what: &impl Serialize) -> String {
    canonical(&serde_json::to_value(what).expect("what is signed has an equivalent in JSON"))
}

fn make(path: &Path) -> Result<Vec<u8>, Error> {
    let unwritable = |problem: &dyn std::fmt::Display| Error::Unwritable(format!("{}: {problem}", path.display()));
    let document =
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| unwritable(&"no random numbers"))?;
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(document.as_ref()).and_then(|()| file.sync_all()));
    written.map_err(|error| unwritable(&error))?;
    Ok(document.as_ref().to_vec())
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signer").field(&self.public()).finish()
    }
}

use std::fmt;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

use crate::{Error, private_file, random};

/// The shortest signing secret, in bytes: HS256 wants a key as long as its output (RFC 7518, section 3.2).
const LENGTH_MIN: usize = 32;

/// Whoever uses one of these, alone or inside a longer text, has not chosen a secret. Compared without case and
/// without anything but letters and digits.
const PLACEHOLDERS: [&str; 10] = [
    "changeme",
    "changethis",
    "changeinproduction",
    "replaceme",
    "replacethis",
    "yoursecret",
    "yourjwtsecret",
    "yoursupersecret",
    "your256bitsecret",
    "insertsecret",
];

/// Known defaults that would be refused for their length too, but deserve the better message.
const DEFAULTS: [&str; 9] =
    ["secret", "supersecret", "jwtsecret", "password", "default", "test", "dev", "development", "admin"];

/// Repetitions of up to this many bytes are not random.
const PERIOD_MAX: usize = 8;

/// A key for signing tokens, checked. Debug output hides it; its memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

/// Why a text is no [`Secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakSecret {
    /// Unset it to have one made, or set it.
    #[error("the secret is empty")]
    Empty,
    /// Everybody knows it.
    #[error("the secret is a well-known default; make one with `openssl rand -hex 32`")]
    Default,
    /// Make a longer one.
    #[error("the secret has {0} bytes and needs {LENGTH_MIN}; make one with `openssl rand -hex 32`")]
    Short(usize),
    /// It looks long but is not.
    #[error("the secret repeats itself; make one with `openssl rand -hex 32`")]
    Repeated,
}

impl Secret {
    /// Takes the bytes as they are, without trimming, if they can be a secret.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, WeakSecret> {
        let bytes = bytes.as_ref();
        let letters: String =
            bytes.iter().filter(|b| b.is_ascii_alphanumeric()).map(|b| char::from(b.to_ascii_lowercase())).collect();
        if bytes.is_empty() {
            Err(WeakSecret::Empty)
        } else if DEFAULTS.contains(&letters.as_str()) || PLACEHOLDERS.iter().any(|word| letters.contains(word)) {
            Err(WeakSecret::Default)
        } else if bytes.len() < LENGTH_MIN {
            Err(WeakSecret::Short(bytes.len()))
        } else if (1..=PERIOD_MAX).any(|period| bytes[period..] == bytes[..bytes.len() - period]) {
            Err(WeakSecret::Repeated)
        } else {
            Ok(Self(bytes.to_vec().into()))
        }
    }

    /// The secret in a file, which is made with 32 random bytes if it does not exist. The key is the file's exact
    /// bytes. Made complete or not at all and readable by its owner only (0600); of several processes that start at
    /// once, all get the same.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or written, is no regular file, or others may access it;
    /// [`Error::WeakSecret`] if what is in it can be no secret. A file that is wrong is never replaced.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        for _ in 0..2 {
            if let Some(content) = private_file::read(path).map_err(failed)? {
                return Self::new(content).map_err(Error::from);
            }
            let fresh = random::bytes::<32>();
            if private_file::create(path, &fresh).map_err(failed)? {
                return Ok(Self(fresh.to_vec().into()));
            }
        }
        Err(failed(std::io::Error::other("it comes and goes")))
    }

    /// A key for another purpose, from which this secret cannot be found out: HMAC-SHA256 of the purpose.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(self.expose()).expect("HMAC takes keys of any length");
        mac.chain_update(purpose).finalize().into_bytes().into()
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[track_caller]
    fn refused(text: &str, expected: WeakSecret) {
        assert_eq!(Secret::new(text).unwrap_err(), expected, "{text}");
    }

    #[test]
    fn a_derived_key_is_that_of_its_purpose_and_secret() {
        let secret = |text: &str| Secret::new(text).unwrap();
        let (one, other) =
            (secret("a fine secret of more than 32 bytes"), secret("another one of more than 32 bytes!"));
        assert_eq!(one.derive("a"), one.clone().derive("a"));
        assert_ne!(one.derive("a"), one.derive("b"));
        assert_ne!(one.derive("a"), other.derive("a"));
    }

    #[test]
    fn empty_short_well_known_and_repeated_secrets_are_refused() {
        refused("", WeakSecret::Empty);
        refused("secret", WeakSecret::Default);
        refused("change-me", WeakSecret::Default);
        refused("your-256-bit-secret", WeakSecret::Default);
        refused("your-super-secret-jwt-key-change-in-production", WeakSecret::Default);
        refused("CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME", WeakSecret::Default);
        refused("0123456789abcdef0123456789abcde", WeakSecret::Short(31));
        refused(&"x".repeat(64), WeakSecret::Repeated);
        refused(&"12345678".repeat(4), WeakSecret::Repeated);
    }

    #[test]
    fn random_secrets_are_taken_as_they_are() {
        for _ in 0..1_000 {
            let bytes = random::bytes::<32>();
            assert_eq!(Secret::new(bytes).unwrap().expose(), bytes);
            assert!(Secret::new(random::hex(&bytes)).is_ok());
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("correct horse battery staple, and more").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn a_secret_file_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        let first = Secret::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), first.expose());
        assert_eq!(Secret::load_or_create(&path).unwrap().expose(), first.expose());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn processes_that_start_at_once_get_the_same_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        let load = || Secret::load_or_create(&path).unwrap().expose().to_vec();
        let prints = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(prints.iter().all(|print| *print == prints[0]));
    }

    #[test]
    fn files_that_others_may_read_links_and_weak_content_are_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        Secret::load_or_create(&path).unwrap();
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(Secret::load_or_create(&link), Err(Error::File { .. })));
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Secret::load_or_create(&path), Err(Error::File { .. })), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(matches!(Secret::load_or_create(&path), Err(Error::WeakSecret(WeakSecret::Short(5)))));
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}

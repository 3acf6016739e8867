//! The scheme of Standard Webhooks: an HMAC over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// What the text of a secret begins with where its bytes are written as Base64.
const PREFIX: &str = "whsec_";
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;
/// How far the sender's clock may be off, in seconds.
const TOLERANCE_S: u64 = 300;

/// Signs what is sent, and checks what has come. Its secret is known to both sides.
pub struct Signer(SecretBox<[u8]>);

/// The secret is none. Use 24 to 64 bytes: `whsec_` and Base64, or as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `whsec_` and 24 to 64 bytes in Base64, or 24 to 64 bytes as they are")]
pub struct InvalidSecret;

/// The headers of a message that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `webhook-id`: the message's own name, the same each time it is sent.
    pub id: String,
    /// `webhook-timestamp`: when it was sent, in seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`: `v1,` and Base64 of HMAC-SHA256 over `id.timestamp.body`; several, with spaces between them, while a
    /// secret is being changed.
    pub signature: String,
}

/// Do not believe the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSignature {
    /// It was sent too long ago, or is from the future: it may be an old one that somebody sends again.
    #[error("the message is not of now")]
    Time,
    /// It was made with another secret, or is about another message.
    #[error("the signature is not of this message")]
    Signature,
}

impl Signer {
    /// # Errors
    /// [`InvalidSecret`].
    pub fn new(secret: &SecretString) -> Result<Self, InvalidSecret> {
        let text = secret.expose_secret();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| InvalidSecret)?,
            None => text.as_bytes().to_vec(),
        };
        match (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
            true => Ok(Self(SecretBox::from(bytes))),
            false => Err(InvalidSecret),
        }
    }

    /// Signs a message that is sent now, in seconds since 1970.
    pub fn sign(&self, id: &str, now_s: u64, body: &[u8]) -> SignedHeaders {
        let timestamp = now_s.to_string();
        let signature = format!("v1,{}", STANDARD.encode(self.digest(id, &timestamp, body)));
        SignedHeaders { id: id.to_owned(), timestamp, signature }
    }

    /// For the other side: whether a message that has come now was sent by who knows the secret, within the last five minutes.
    ///
    /// # Errors
    /// [`InvalidSignature`].
    pub fn verify(&self, headers: &SignedHeaders, now_s: u64, body: &[u8]) -> Result<(), InvalidSignature> {
        let sent: u64 = headers.timestamp.parse().map_err(|_| InvalidSignature::Time)?;
        if sent.abs_diff(now_s) > TOLERANCE_S {
            return Err(InvalidSignature::Time);
        }
        let expected = self.digest(&headers.id, &headers.timestamp, body);
        let is_right = |text: &str| {
            let given = text.strip_prefix("v1,").and_then(|encoded| STANDARD.decode(encoded).ok());
            given.is_some_and(|given| bool::from(given.ct_eq(&expected)))
        };
        match headers.signature.split(' ').any(is_right) {
            true => Ok(()),
            false => Err(InvalidSignature::Signature),
        }
    }

    fn digest(&self, id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes keys of any length");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer(secret: &str) -> Signer {
        Signer::new(&SecretString::from(secret)).unwrap()
    }

    /// The example that the libraries of the standard are tested with.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let signed = signer(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_was_changed_or_is_old_or_by_somebody_else_is_not_believed() {
        let (here, there) = (signer(SECRET), signer("another secret of enough bytes"));
        let signed = here.sign("m", 1_000, b"body");
        assert_eq!(here.verify(&signed, 1_300, b"body"), Ok(()));
        assert_eq!(here.verify(&signed, 1_301, b"body"), Err(InvalidSignature::Time));
        assert_eq!(here.verify(&signed, 699, b"body"), Err(InvalidSignature::Time));
        assert_eq!(here.verify(&signed, 1_000, b"Body"), Err(InvalidSignature::Signature));
        assert_eq!(there.verify(&signed, 1_000, b"body"), Err(InvalidSignature::Signature));
        let renamed = SignedHeaders { id: "n".into(), ..signed.clone() };
        assert_eq!(here.verify(&renamed, 1_000, b"body"), Err(InvalidSignature::Signature));
        let two = SignedHeaders { signature: format!("v1,AAAA {}", signed.signature), ..signed };
        assert_eq!(here.verify(&two, 1_000, b"body"), Ok(()));
    }

    #[test]
    fn a_secret_is_long_enough_and_not_shown() {
        for text in ["", "short", "whsec_c2hvcnQ=", "whsec_!", "whsec_"] {
            assert!(Signer::new(&SecretString::from(text)).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", signer(SECRET)), "Signer { .. }");
    }
}

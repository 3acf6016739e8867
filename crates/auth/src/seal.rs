//! Keys in the database are sealed: whoever reads it without the configured key learns nothing, and whoever changes it
//! makes keys that do not open.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{SigningKey, random};

/// The nonce, then what was sealed and its tag. Bound to `context`, so that one cannot be put in the place of another.
pub(crate) fn seal(root: &SigningKey, context: &str, secret: &[u8]) -> Vec<u8> {
    // Random nonces are safe for some 2^32 seals under one key (RFC 8439, section 4); here are a few.
    let nonce = random::bytes::<NONCE_LEN>();
    let mut sealed = secret.to_vec();
    key(root)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
        .expect("a few bytes can be sealed");
    [&nonce[..], &sealed].concat()
}

/// What was sealed, if it was sealed under this key in this context.
pub(crate) fn open(root: &SigningKey, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut bytes = sealed.to_vec();
    key(root).open_in_place(nonce, Aad::from(context), &mut bytes).ok().map(|secret| secret.to_vec())
}

fn key(root: &SigningKey) -> LessSafeKey {
    let bytes = root.derive("sealing of keys");
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).expect("the key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn what_is_sealed_opens_under_the_same_key_in_the_same_place_only() {
        let (root, other) = (SigningKey::generate(Algorithm::Hs256), SigningKey::generate(Algorithm::Hs256));
        let sealed = seal(&root, "a", b"secret");
        assert_eq!(open(&root, "a", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(open(&other, "a", &sealed), None);
        assert_eq!(open(&root, "b", &sealed), None);
        assert_ne!(seal(&root, "a", b"secret"), sealed);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&root, "a", &changed), None, "{at}");
        }
        assert_eq!(open(&root, "a", &sealed[..5]), None);
    }
}

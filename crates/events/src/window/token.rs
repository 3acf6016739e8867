use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use orchestrator_vocab::{Id, OrgId};
use sha2::Sha256;

use super::WindowId;

/// What the key for tokens is derived with: the secret signs other things too.
const PURPOSE: &[u8] = b"orchestrator events: resume token 1";
const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
const MAC_BYTES: usize = 32;

/// Makes and checks resume tokens: base64url(version, window id, HMAC-SHA256 over both, the organisation and the subject).
///
/// Organisation and subject are not in the token: they are those of whoever shows it, so a token of somebody else does not
/// check, exactly like one that nobody made.
pub(super) struct Tokens(Hmac<Sha256>);

impl Tokens {
    pub(super) fn new(secret: &[u8]) -> Self {
        let derived = mac(secret).chain_update(PURPOSE).finalize().into_bytes();
        Self(mac(&derived))
    }

    pub(super) fn issue(&self, id: WindowId, org: OrgId, subject: &str) -> String {
        let tag = self.over(id, org, subject).finalize().into_bytes();
        let mut bytes = Vec::with_capacity(1 + ID_BYTES + MAC_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(id.uuid().as_bytes());
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The window a token is for, if it was issued for this organisation and subject.
    pub(super) fn check(&self, token: &str, org: OrgId, subject: &str) -> Option<WindowId> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (id, tag) = rest.split_at_checked(ID_BYTES)?;
        if *version != VERSION {
            return None;
        }
        let id = Id::from_uuid(uuid::Uuid::from_slice(id).ok()?);
        // Compares in constant time, and refuses another length.
        self.over(id, org, subject).verify_slice(tag).ok().map(|()| id)
    }

    fn over(&self, id: WindowId, org: OrgId, subject: &str) -> Hmac<Sha256> {
        // All but the last have a fixed length, so no two windows are written alike.
        let mac = self.0.clone().chain_update([VERSION]).chain_update(id.uuid().as_bytes());
        mac.chain_update(org.uuid().as_bytes()).chain_update(subject)
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_checks_for_its_owner_only() {
        let tokens = Tokens::new(b"a secret of the daemon");
        let (id, org) = (WindowId::new(), OrgId::new());
        let token = tokens.issue(id, org, "alice");
        assert_eq!(tokens.check(&token, org, "alice"), Some(id));
        assert_eq!(tokens.check(&token, org, "bob"), None);
        assert_eq!(tokens.check(&token, OrgId::new(), "alice"), None);
        assert_eq!(Tokens::new(b"another secret").check(&token, org, "alice"), None);
        for forged in ["", "AQ", &token[1..], &format!("{token}AA")] {
            assert_eq!(tokens.check(forged, org, "alice"), None, "{forged}");
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_checks(at in 0usize..(1 + ID_BYTES + MAC_BYTES), flip in 1u8..) {
            let tokens = Tokens::new(b"a secret of the daemon");
            let org = OrgId::new();
            let mut bytes = URL_SAFE_NO_PAD.decode(tokens.issue(WindowId::new(), org, "alice")).unwrap();
            bytes[at] ^= flip;
            prop_assert_eq!(tokens.check(&URL_SAFE_NO_PAD.encode(bytes), org, "alice"), None);
        }

        #[test]
        fn no_text_makes_checking_panic(text in ".{0,100}") {
            prop_assert_eq!(Tokens::new(b"secret").check(&text, OrgId::LOCAL, "alice"), None);
        }
    }
}

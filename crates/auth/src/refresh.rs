use orchestrator_vocab::{Id, Kind};
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use crate::api_key::{Hash, is_hex};
use crate::key::mac;
use crate::{Refusal, SigningKey, random};

/// What every refresh token begins with, so that people and secret scanners recognise one.
pub(crate) const PREFIX: &str = "orr_";

const FAMILY_DIGITS: usize = 32;
const SECRET_DIGITS: usize = 64;
const TAG_BYTES: usize = 16;

enum FamilyKind {}

impl Kind for FamilyKind {
    const PREFIX: &'static str = "fam";
}

/// `orr_<family>_<generation>_<secret>_<tag>`. Of the secret only a hash is stored; the tag, made with the configured
/// key, tells a token that was once ours from one that never was, without a look at the database.
pub(crate) struct RefreshToken {
    /// Names the family, as `fam_<32 digits>`.
    pub(crate) family: String,
    /// How many there were before it in the family.
    pub(crate) generation: i64,
    secret: String,
}

impl RefreshToken {
    /// The first token of a new family.
    pub(crate) fn first() -> Self {
        let family = Id::<FamilyKind>::new().to_string();
        Self { family, generation: 0, secret: random::hex(&random::bytes::<32>()) }
    }

    /// Takes a token apart, and says which of the configured keys made it.
    pub(crate) fn parse<'k>(text: &str, roots: &'k [SigningKey]) -> Result<(Self, &'k SigningKey), Refusal> {
        let mut parts = text.strip_prefix(PREFIX).ok_or(Refusal::Form)?.split('_');
        let mut part = || parts.next().ok_or(Refusal::Form);
        let (family, number, secret, tag) = (part()?, part()?, part()?, part()?);
        let generation = number.parse().map_err(|_| Refusal::Form)?;
        let is_well_formed = parts.next().is_none()
            && is_hex(family, FAMILY_DIGITS)
            && is_hex(secret, SECRET_DIGITS)
            && is_hex(tag, 2 * TAG_BYTES)
            // One spelling each: no sign, no zeros in front.
            && (0..i64::MAX).contains(&generation)
            && generation.to_string() == number;
        if !is_well_formed {
            return Err(Refusal::Form);
        }
        let family = format!("{}_{family}", FamilyKind::PREFIX);
        let token = Self { family, generation, secret: secret.to_owned() };
        let is_by = |root: &&SigningKey| bool::from(token.tag(root).as_bytes().ct_eq(tag.as_bytes()));
        let root = roots.iter().find(is_by).ok_or(Refusal::Signature)?;
        Ok((token, root))
    }

    /// The next of the family: the same whoever computes it, so that two who refresh at once get one successor, and
    /// nobody has to store it.
    pub(crate) fn successor(&self, root: &SigningKey) -> Self {
        let secret = random::hex(&self.mac(root, "next"));
        Self { family: self.family.clone(), generation: self.generation + 1, secret }
    }

    pub(crate) fn text(&self, root: &SigningKey) -> SecretString {
        let family = self.family.rsplit('_').next().unwrap_or_default();
        format!("{PREFIX}{family}_{}_{}_{}", self.generation, self.secret, self.tag(root)).into()
    }

    /// What is stored of it.
    pub(crate) fn hash(&self) -> Hash {
        Hash::of(&self.secret)
    }

    /// Whether an id is one of a family.
    pub(crate) fn is_family(text: &str) -> bool {
        text.parse::<Id<FamilyKind>>().is_ok()
    }

    fn tag(&self, root: &SigningKey) -> String {
        random::hex(&self.mac(root, "tag")[..TAG_BYTES])
    }

    fn mac(&self, root: &SigningKey, purpose: &str) -> [u8; 32] {
        let message = format!("{purpose}:{}:{}:{}", self.family, self.generation, self.secret);
        mac(&root.derive("refresh tokens"), message.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::Algorithm;

    fn key() -> SigningKey {
        SigningKey::generate(Algorithm::Hs256)
    }

    #[test]
    fn a_successor_is_the_same_for_everybody_with_the_key_and_for_nobody_else() {
        let (root, other) = (key(), key());
        let first = RefreshToken::first();
        let next = first.successor(&root);
        assert_eq!(next.text(&root).expose_secret(), first.successor(&root).text(&root).expose_secret());
        assert!(!first.successor(&other).hash().matches(next.hash().bytes()));
        assert_eq!((next.generation, &next.family), (1, &first.family));
    }

    #[test]
    fn a_token_has_one_spelling_and_one_key() {
        let (old, new) = (key(), key());
        let text = RefreshToken::first().successor(&old).text(&old).expose_secret().to_owned();
        let roots = [new, old.clone()];
        let (token, root) = RefreshToken::parse(&text, &roots).unwrap();
        assert!(token.generation == 1 && *root == old && RefreshToken::is_family(&token.family));
        assert!(matches!(RefreshToken::parse(&text, &roots[..1]), Err(Refusal::Signature)));
        for other in
            [text.to_uppercase(), format!("{text} "), format!("{text}_"), text.replace("_1_", "_01_"), String::new()]
        {
            assert!(matches!(RefreshToken::parse(&other, &roots), Err(Refusal::Form)), "{other}");
        }
        for other in [text.replace("_1_", "_0_"), text.replace("_1_", "_2_")] {
            assert!(matches!(RefreshToken::parse(&other, &roots), Err(Refusal::Signature)), "{other}");
        }
    }
}

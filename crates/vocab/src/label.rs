use serde::{Deserialize, Serialize};

/// How far the author of a text may be believed. Lower is less trusted; combining takes the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    /// Tools, the web, peers, unknown senders: data, never instructions.
    #[default]
    Untrusted,
    /// A person or program that authenticated.
    User,
    /// The operator's own configuration.
    Operator,
}

/// Who may see a text. Higher is more restricted; combining takes the higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Confidentiality {
    /// Anyone.
    Public,
    /// The organisation it belongs to.
    #[default]
    Internal,
    /// Nobody without need; never leaves the daemon.
    Secret,
}

/// Where a text came from and who may see it (a lattice of Biba integrity and Bell-LaPadula confidentiality).
///
/// ```
/// use orchestrator_vocab::{Confidentiality, Integrity, Label};
/// let page = Label { integrity: Integrity::Untrusted, confidentiality: Confidentiality::Public };
/// let key = Label { integrity: Integrity::Operator, confidentiality: Confidentiality::Secret };
/// let both = page.join(key);
/// assert_eq!((both.integrity, both.confidentiality), (Integrity::Untrusted, Confidentiality::Secret));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Label {
    /// How far it may be believed.
    pub integrity: Integrity,
    /// Who may see it.
    pub confidentiality: Confidentiality,
}

impl Label {
    /// What an authenticated caller says, for the organisation's eyes.
    pub const USER: Self = Self { integrity: Integrity::User, confidentiality: Confidentiality::Internal };

    /// The label of a text made from both.
    pub fn join(self, other: Self) -> Self {
        Self {
            integrity: self.integrity.min(other.integrity),
            confidentiality: self.confidentiality.max(other.confidentiality),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label() -> impl Strategy<Value = Label> {
        let integrity = prop_oneof![Just(Integrity::Untrusted), Just(Integrity::User), Just(Integrity::Operator)];
        let confidentiality =
            prop_oneof![Just(Confidentiality::Public), Just(Confidentiality::Internal), Just(Confidentiality::Secret)];
        (integrity, confidentiality).prop_map(|(integrity, confidentiality)| Label { integrity, confidentiality })
    }

    proptest! {
        #[test]
        fn joining_is_commutative_associative_and_idempotent(a in label(), b in label(), c in label()) {
            prop_assert_eq!(a.join(b), b.join(a));
            prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
            prop_assert_eq!(a.join(a), a);
        }

        #[test]
        fn joining_never_raises_trust_nor_lowers_secrecy(a in label(), b in label()) {
            let joined = a.join(b);
            prop_assert!(joined.integrity <= a.integrity && joined.confidentiality >= a.confidentiality);
        }
    }
}

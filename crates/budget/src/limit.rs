use orchestrator_vocab::{NanoUsd, OrgId, Timestamp, Tokens};
use serde::{Deserialize, Serialize};

use crate::{Amount, Error, Scope, Span};

/// How much may be spent, of what and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    /// Whose spending.
    pub scope: Scope,
    /// For how long it is added up.
    pub window: Span,
    /// At most so many tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// At most so many US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "dollars")]
    #[cfg_attr(feature = "rpc", schemars(with = "Option<String>"))]
    pub usd: Option<NanoUsd>,
    /// Until when; afterwards what is configured counts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A share of a limit, in thousandths. In JSON a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(u16);

/// The number is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected more than 0 and at most 1")]
pub struct InvalidShare;

/// What limits there are, and when to warn of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Those that are configured. One that was set by an operation takes the place of that with the same scope and window.
    pub limits: Vec<Limit>,
    /// Those that count beside all others, each in one organisation, whatever an operation sets.
    pub firm: Vec<(OrgId, Limit)>,
    /// From which share of a limit on its organisation is told; `None`: never.
    pub alert_at: Option<Share>,
    /// From which share of a limit on requests are degraded; `None`: never.
    pub degrade_at: Option<Share>,
}

/// By how much spending must fall below the share that is warned of before it is warned of again, in thousandths.
const HYSTERESIS: u16 = 100;

impl Limit {
    /// Whether it limits anything.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        if self.tokens.is_none() && self.usd.is_none() {
            return Err(Error::invalid("tokens", "expected tokens, usd or both"));
        }
        Ok(())
    }

    /// Whether both are about the same.
    pub fn replaces(&self, other: &Self) -> bool {
        self.scope == other.scope && self.window == other.window
    }

    /// Whether so much is within it.
    pub fn allows(&self, amount: Amount) -> bool {
        self.tokens.is_none_or(|most| amount.tokens <= most) && self.usd.is_none_or(|most| amount.nano_usd <= most)
    }

    /// What is left of it after `used`; what is not limited is `None`.
    pub fn remaining(&self, used: Amount) -> (Option<Tokens>, Option<NanoUsd>) {
        let tokens = self.tokens.map(|most| Tokens(most.0.saturating_sub(used.tokens.0)));
        (tokens, self.usd.map(|most| NanoUsd(most.0.saturating_sub(used.nano_usd.0))))
    }

    /// How much of it `used` is, in thousandths, rounded down: of tokens or of money, whichever is more.
    pub fn used_permille(&self, used: Amount) -> u64 {
        let share = |used: u64, most: u64| match most {
            0 => 1_000,
            most => u64::try_from(u128::from(used) * 1_000 / u128::from(most)).unwrap_or(u64::MAX),
        };
        let tokens = self.tokens.map(|most| share(used.tokens.0, most.0));
        let money = self.usd.map(|most| share(used.nano_usd.0, most.0));
        tokens.max(money).unwrap_or(0)
    }
}

impl Policy {
    /// What counts in an organisation at a moment: what was set and has not expired, in the place of what is configured, and what is
    /// firm.
    pub(crate) fn in_force<'l>(
        &'l self,
        org: OrgId,
        set: &'l [Limit],
        now: Timestamp,
    ) -> impl Iterator<Item = &'l Limit> {
        let holds = move |limit: &&Limit| limit.expires_at.is_none_or(|end| now < end);
        let replaced = move |limit: &&Limit| !set.iter().filter(holds).any(|other| other.replaces(limit));
        let firm = self.firm.iter().filter(move |(of, _)| *of == org).map(|(_, limit)| limit);
        self.limits.iter().filter(replaced).chain(set.iter().filter(holds)).chain(firm)
    }
}

impl Share {
    /// Four fifths.
    pub const USUAL: Self = Self(800);

    /// In thousandths.
    pub const fn permille(self) -> u64 {
        self.0 as u64
    }

    /// Whether so much is worth a warning, if there was none yet.
    pub(crate) const fn is_reached(self, permille: u64) -> bool {
        permille >= self.permille()
    }

    /// Whether so little is worth forgetting that there was one.
    pub(crate) const fn is_left(self, permille: u64) -> bool {
        permille < self.0.saturating_sub(HYSTERESIS) as u64
    }
}

impl TryFrom<f64> for Share {
    type Error = InvalidShare;

    fn try_from(share: f64) -> Result<Self, InvalidShare> {
        let permille = (share * 1_000.0).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked")]
        let checked = (1.0..=1_000.0).contains(&permille).then_some(permille as u16);
        checked.map(Self).ok_or(InvalidShare)
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.0) / 1_000.0
    }
}

/// Dollars as text.
mod dollars {
    use std::borrow::Cow;

    use orchestrator_vocab::NanoUsd;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(amount: &Option<NanoUsd>, serializer: S) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => serializer.collect_str(amount),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NanoUsd>, D::Error> {
        let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(json: &str) -> Limit {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_limit_is_read_as_it_is_written() {
        let limit = limit(r#"{ "scope": "agent:*", "window": "day", "tokens": 10, "usd": "1.5" }"#);
        assert_eq!((limit.tokens, limit.usd), (Some(Tokens(10)), Some(NanoUsd(1_500_000_000))));
        assert!(limit.allows(Amount::new(10, 1_500_000_000)));
        assert!(!limit.allows(Amount::new(11, 0)) && !limit.allows(Amount::new(0, 1_500_000_001)));
        assert_eq!(limit.used_permille(Amount::new(5, 1_499_999_999)), 999);
    }

    #[test]
    fn what_is_set_takes_the_place_of_what_is_configured_until_it_expires() {
        let configured = limit(r#"{ "scope": "organisation", "window": "day", "tokens": 10 }"#);
        let set = Limit { tokens: Some(Tokens(20)), expires_at: Some(Timestamp(5)), ..configured.clone() };
        let other = (OrgId::new(), Limit { tokens: Some(Tokens(1)), ..configured.clone() });
        let firm = vec![(OrgId::LOCAL, Limit { tokens: Some(Tokens(5)), ..configured.clone() }), other];
        let policy = Policy { limits: vec![configured], firm, ..Policy::default() };
        let at = |now| {
            policy
                .in_force(OrgId::LOCAL, std::slice::from_ref(&set), Timestamp(now))
                .map(|limit| limit.tokens.unwrap().0)
                .collect::<Vec<_>>()
        };
        assert_eq!((at(4), at(5)), (vec![20, 5], vec![10, 5]));
    }

    #[test]
    fn a_share_is_more_than_nothing_and_at_most_all() {
        for (json, permille) in [("0.8", 800), ("1", 1_000), ("0.001", 1), ("0.29", 290)] {
            assert_eq!(serde_json::from_str::<Share>(json).unwrap().permille(), permille, "{json}");
        }
        for json in ["0", "1.1", "-1", "80"] {
            assert!(serde_json::from_str::<Share>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&Share::USUAL).unwrap(), "0.8");
    }
}

//! What is decided about a call: a pure function of what everybody who is asked thinks of it.

#[cfg(feature = "sql")]
mod clearing;

use std::collections::BTreeSet;

#[cfg(feature = "sql")]
pub use clearing::{Ask, Clearance, Gate, GateParts, Place, Refusal};

/// What somebody who is asked thinks of a call; the later, the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stance {
    /// It may be made.
    Allow,
    /// Nothing.
    Abstain,
    /// A person has to confirm it first.
    Confirm,
    /// Never.
    Deny,
}

/// What one who is asked thinks of a call, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opinion {
    /// What.
    pub stance: Stance,
    /// By which rule, for people and for the audit log: `tools.allow has fs.*`.
    pub rule: String,
    /// Who is to confirm it and for how long they are waited for, if the rule says so.
    pub escalation: Option<Escalation>,
}

/// Who is asked to confirm a call. Without an answer in time it is denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Escalation {
    /// `user:NAME`, who alone may confirm it; any other text only tells where people are asked.
    pub to: Option<String>,
    /// How long, in milliseconds.
    pub timeout_ms: u64,
}

impl Opinion {
    /// Without anybody in particular to be asked.
    pub fn new(stance: Stance, rule: impl Into<String>) -> Self {
        Self { stance, rule: rule.into(), escalation: None }
    }
}

/// What is decided, with the rules that decided it, each once and in the order of their texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It may be made.
    Allowed(BTreeSet<String>),
    /// It may be made once a person has confirmed it.
    Held {
        /// What wants it to be confirmed.
        rules: BTreeSet<String>,
        /// Whose word is needed: one of these (`user:NAME`); anybody's who may, if there are none.
        by: BTreeSet<String>,
        /// How long they are waited for, in milliseconds; as the configuration says, if no rule does.
        timeout_ms: Option<u64>,
    },
    /// It may not.
    Denied(BTreeSet<String>),
}

/// Deny is stronger than confirm, and confirm than allow, whoever says it and in whatever order: a further opinion can only make it
/// stricter. What nobody allows has to be confirmed.
pub fn decide(opinions: impl IntoIterator<Item = Opinion>) -> Decided {
    let opinions: BTreeSet<Opinion> = opinions.into_iter().collect();
    let of = |stance: Stance| opinions.iter().filter(move |opinion| opinion.stance == stance);
    let rules = |stance: Stance| of(stance).map(|opinion| opinion.rule.clone()).collect::<BTreeSet<_>>();
    let (denied, mut held, allowed) = (rules(Stance::Deny), rules(Stance::Confirm), rules(Stance::Allow));
    if !denied.is_empty() {
        return Decided::Denied(denied);
    }
    if held.is_empty() && !allowed.is_empty() {
        return Decided::Allowed(allowed);
    }
    if held.is_empty() {
        held.insert("nothing allows it".to_owned());
    }
    let escalations = || of(Stance::Confirm).filter_map(|opinion| opinion.escalation.as_ref());
    let is_person = |to: &&String| to.starts_with("user:");
    Decided::Held {
        rules: held,
        by: escalations().filter_map(|escalation| escalation.to.as_ref()).filter(is_person).cloned().collect(),
        timeout_ms: escalations().map(|escalation| escalation.timeout_ms).min(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(opinions: &[(Stance, &str)], expected: Decided) {
        assert_eq!(decide(opinions.iter().map(|(stance, rule)| Opinion::new(*stance, *rule))), expected);
    }

    fn rules(rules: &[&str]) -> BTreeSet<String> {
        rules.iter().map(|rule| (*rule).to_owned()).collect()
    }

    fn held(by: &[&str]) -> Decided {
        Decided::Held { rules: rules(by), by: BTreeSet::new(), timeout_ms: None }
    }

    #[test]
    fn the_strictest_decides_and_what_nobody_allows_is_confirmed() {
        use Stance::{Abstain, Allow, Confirm, Deny};
        check(&[(Allow, "a"), (Abstain, "b")], Decided::Allowed(rules(&["a"])));
        check(&[(Allow, "a"), (Confirm, "b"), (Confirm, "c")], held(&["b", "c"]));
        check(&[(Deny, "d"), (Allow, "a"), (Confirm, "b")], Decided::Denied(rules(&["d"])));
        check(&[(Abstain, "a")], held(&["nothing allows it"]));
        check(&[], held(&["nothing allows it"]));
    }

    #[test]
    fn people_are_waited_for_as_long_as_the_least_patient_rule_says() {
        let asks = |to: Option<&str>, timeout_ms| Opinion {
            escalation: Some(Escalation { to: to.map(str::to_owned), timeout_ms }),
            ..Opinion::new(Stance::Confirm, "r")
        };
        let decided = decide([asks(Some("user:alice"), 9), asks(Some("channel:ops"), 5), asks(None, 7)]);
        let Decided::Held { by, timeout_ms, .. } = decided else { panic!("{decided:?}") };
        assert_eq!((by, timeout_ms), (rules(&["user:alice"]), Some(5)));
    }

    fn any_opinion() -> impl Strategy<Value = Opinion> {
        let stances = [Stance::Allow, Stance::Abstain, Stance::Confirm, Stance::Deny];
        let escalation = proptest::option::of((proptest::option::of("user:[ab]|channel:c"), 1_u64..9));
        (proptest::sample::select(stances.to_vec()), "[a-f]", escalation).prop_map(|(stance, rule, escalation)| {
            Opinion { stance, rule, escalation: escalation.map(|(to, timeout_ms)| Escalation { to, timeout_ms }) }
        })
    }

    fn strictness(decided: &Decided) -> u8 {
        match decided {
            Decided::Allowed(_) => 0,
            Decided::Held { .. } => 1,
            Decided::Denied(_) => 2,
        }
    }

    proptest! {
        #[test]
        fn the_order_of_those_who_are_asked_does_not_matter(
            (opinions, shuffled) in proptest::collection::vec(any_opinion(), 0..12)
                .prop_flat_map(|opinions| (Just(opinions.clone()), Just(opinions).prop_shuffle())),
        ) {
            prop_assert_eq!(decide(opinions), decide(shuffled));
        }

        #[test]
        fn any_denial_wins(opinions in proptest::collection::vec(any_opinion(), 0..12)) {
            let is_denied = opinions.iter().any(|opinion| opinion.stance == Stance::Deny);
            prop_assert_eq!(matches!(decide(opinions), Decided::Denied(_)), is_denied);
        }

        #[test]
        fn whoever_is_asked_besides_never_widens_what_was_allowed_or_denied(
            opinions in proptest::collection::vec(any_opinion(), 0..12), more in any_opinion(),
        ) {
            let before = decide(opinions.clone());
            let after = decide(opinions.into_iter().chain([more.clone()]));
            // The one thing an opinion opens is what nobody had spoken of.
            let is_first_word = matches!(&before, Decided::Held { rules, .. } if rules.contains("nothing allows it"));
            if !(is_first_word && more.stance == Stance::Allow) {
                prop_assert!(strictness(&after) >= strictness(&before), "{before:?} {after:?}");
            }
        }
    }
}

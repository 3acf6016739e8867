use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Answer;

/// How many pieces of context one decision keeps.
const CONTEXTS_MAX: usize = 16;

/// What may become of something. The later one is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No hook is against it. Whether it may be done is for others to say.
    Allow,
    /// A person has to confirm it.
    Ask,
    /// It must not be done.
    Deny,
}

/// What all hooks together say, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The strictest that was said.
    pub verdict: Verdict,
    /// Why, by the first that said it.
    pub reason: String,
    /// Which hook said it; `None` if none had an opinion.
    pub by: Option<String>,
    /// The arguments, if a hook changed them.
    pub input: Option<Value>,
    /// What the agent is to know beside, in the order of the hooks.
    pub context: Vec<String>,
}

impl Default for Decision {
    fn default() -> Self {
        Self { verdict: Verdict::Allow, reason: String::new(), by: None, input: None, context: Vec::new() }
    }
}

impl Decision {
    /// Whether nothing that others say can change it.
    pub fn is_final(&self) -> bool {
        self.verdict == Verdict::Deny
    }

    /// Takes the answer of the next hook into account. Once it is denied it stays so, and nothing else changes either.
    pub fn take(&mut self, hook: &str, answer: Answer) {
        if self.is_final() {
            return;
        }
        let Answer { verdict, reason, input, context } = answer;
        if let Some(verdict) = verdict
            && (verdict > self.verdict || self.by.is_none())
        {
            self.verdict = verdict;
            self.by = Some(hook.to_owned());
            self.reason = reason.unwrap_or_else(|| "it gave no reason".to_owned());
        }
        self.input = input.or(self.input.take());
        self.context.extend(context.filter(|_| self.context.len() < CONTEXTS_MAX));
    }

    /// Why it is not simply done, in a sentence for the agent and for people; `None` if it is.
    pub fn objection(&self) -> Option<String> {
        let by = self.by.as_deref().unwrap_or("?");
        match self.verdict {
            Verdict::Allow => None,
            Verdict::Ask => Some(format!("the hook {by} wants it confirmed: {}", self.reason)),
            Verdict::Deny => Some(format!("blocked by the hook {by}: {}", self.reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_answer() -> impl Strategy<Value = Answer> {
        let verdict = proptest::option::of(proptest::sample::select(vec![Verdict::Allow, Verdict::Ask, Verdict::Deny]));
        (verdict, proptest::option::of("[a-z]{1,8}"), proptest::option::of(0..9), proptest::option::of("[a-z]{1,8}"))
            .prop_map(|(verdict, reason, input, context)| Answer {
                verdict,
                reason,
                input: input.map(|n| json!(n)),
                context,
            })
    }

    fn all(answers: &[Answer]) -> Decision {
        let mut decision = Decision::default();
        for (number, answer) in answers.iter().enumerate() {
            decision.take(&number.to_string(), answer.clone());
        }
        decision
    }

    proptest! {
        #[test]
        fn the_strictest_wins_wherever_it_stands(answers in proptest::collection::vec(any_answer(), 0..8)) {
            let strictest = answers.iter().filter_map(|answer| answer.verdict).max().unwrap_or(Verdict::Allow);
            let decision = all(&answers);
            prop_assert_eq!(decision.verdict, strictest);
            prop_assert_eq!(decision.objection().is_none(), strictest == Verdict::Allow);
        }

        #[test]
        fn order_does_not_change_the_verdict(answers in proptest::collection::vec(any_answer(), 0..8)) {
            let mut turned = answers.clone();
            turned.reverse();
            prop_assert_eq!(all(&answers).verdict, all(&turned).verdict);
        }

        #[test]
        fn nothing_counts_after_a_denial(before in proptest::collection::vec(any_answer(), 0..4), after in proptest::collection::vec(any_answer(), 0..4)) {
            let denied: Vec<Answer> = before.into_iter().chain([Answer::deny("no")]).collect();
            let more: Vec<Answer> = denied.iter().cloned().chain(after).collect();
            prop_assert_eq!(all(&denied), all(&more));
        }

        #[test]
        fn the_last_change_of_the_arguments_counts(answers in proptest::collection::vec(any_answer(), 0..8)) {
            let counting = answers.iter().position(|answer| answer.verdict == Some(Verdict::Deny));
            let heard = &answers[..counting.map_or(answers.len(), |at| at + 1)];
            let last = heard.iter().rev().find_map(|answer| answer.input.clone());
            prop_assert_eq!(all(&answers).input, last);
        }
    }

    #[test]
    fn who_objects_is_named_with_the_reason() {
        let ask = all(&[Answer::allow(), Answer::ask("is it meant?")]);
        assert_eq!(ask.objection().as_deref(), Some("the hook 1 wants it confirmed: is it meant?"));
        let deny = all(&[Answer::ask("is it meant?"), Answer::deny("never")]);
        assert_eq!(deny.objection().as_deref(), Some("blocked by the hook 1: never"));
        let silent = all(&[Answer { verdict: Some(Verdict::Deny), ..Answer::default() }]);
        assert_eq!(silent.objection().as_deref(), Some("blocked by the hook 0: it gave no reason"));
    }
}

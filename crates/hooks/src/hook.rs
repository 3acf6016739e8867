use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::handler::Closure;
use crate::{Answer, Event, Failed, Glob, Handler, Input, Kind};

/// How long a hook may take unless it is said otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// When something is run, and what.
#[derive(Clone)]
pub struct Hook {
    /// What it is called, in reasons and in lists.
    pub name: String,
    /// For which events.
    pub events: BTreeSet<Event>,
    /// For which tools, where the event is about one; none at all stands for every tool.
    pub tools: Vec<Glob>,
    /// Those with a higher one are asked before others; of equal ones, by their names.
    pub priority: i32,
    /// How long it may take. What is to be decided is denied then.
    pub timeout: Duration,
    pub(crate) kind: Kind,
    pub(crate) handler: Arc<dyn Handler>,
}

impl Hook {
    /// A hook that is a closure.
    pub fn new<F, R>(name: impl Into<String>, events: impl IntoIterator<Item = Event>, run: F) -> Self
    where
        F: Fn(Event, Input) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Failed>> + Send + 'static,
    {
        Self::of(name.into(), Kind::Closure, events.into_iter().collect(), Arc::new(Closure(run)))
    }

    /// With another priority than 0.
    #[must_use]
    pub fn with_priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// For these tools only.
    #[must_use]
    pub fn for_tools(self, tools: impl IntoIterator<Item = Glob>) -> Self {
        Self { tools: tools.into_iter().collect(), ..self }
    }

    /// With another time than ten seconds.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) fn of(name: String, kind: Kind, events: BTreeSet<Event>, handler: Arc<dyn Handler>) -> Self {
        Self { name, events, tools: Vec::new(), priority: 0, timeout: TIMEOUT, kind, handler }
    }

    /// The one of these events for which it is to be run, if it is about this.
    pub(crate) fn wants(&self, events: &[Event], input: &Input) -> Option<Event> {
        let event = events.iter().copied().find(|event| self.events.contains(event))?;
        let is_meant = |name: &str| self.tools.is_empty() || self.tools.iter().any(|glob| glob.matches(name));
        let fits = input.tool.as_ref().is_none_or(|tool| is_meant(&tool.name));
        fits.then_some(event)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("name", &self.name).field("events", &self.events).finish_non_exhaustive()
    }
}

/// Puts hooks into the order in which they are asked.
pub fn in_order(hooks: &mut [Hook]) {
    hooks.sort_by(|a, b| (Reverse(a.priority), &a.name).cmp(&(Reverse(b.priority), &b.name)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hook(name: &str, priority: i32) -> Hook {
        let hook = Hook::new(name, [Event::PreToolUse], |_, _| async { Ok(Answer::allow()) });
        Hook { priority, ..hook }
    }

    proptest! {
        #[test]
        fn they_are_asked_by_priority_then_name_however_they_were_added(
            made in proptest::collection::btree_map("[a-z]{1,4}", -3_i32..3, 0..8), seed in any::<u64>()
        ) {
            let mut hooks: Vec<Hook> = made.iter().map(|(name, priority)| hook(name, *priority)).collect();
            if !hooks.is_empty() {
                let by = usize::try_from(seed).unwrap_or_default() % hooks.len();
                hooks.rotate_left(by);
            }
            in_order(&mut hooks);
            let sorted = hooks.windows(2).all(|pair| {
                pair[0].priority > pair[1].priority || (pair[0].priority == pair[1].priority && pair[0].name < pair[1].name)
            });
            prop_assert!(sorted, "{:?}", hooks);
        }
    }
}

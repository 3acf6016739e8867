use std::collections::BTreeSet;

use orchestrator_transcript::ToolPattern;
use serde::{Deserialize, Serialize};

/// Which tools may be used: those that are allowed and not denied. Always in its shortest form, so that equal permissions
/// compare equal.
///
/// ```
/// use orchestrator_agents::Permissions;
/// let parent = Permissions::new(["fs.*".parse()?, "command.run".parse()?], ["fs.write".parse()?]);
/// let child = Permissions::new(["fs.write".parse()?, "fs.read".parse()?, "http.fetch".parse()?], []);
/// let both = child.intersect(&parent);
/// assert!(both.allows("fs.read", true));
/// assert!(!both.allows("fs.write", false) && !both.allows("http.fetch", true) && !both.allows("command.run", false));
/// # Ok::<(), orchestrator_transcript::InvalidPattern>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, from = "Written")]
pub struct Permissions {
    /// Tools that may be used, unless they are denied.
    allowed: BTreeSet<ToolPattern>,
    /// Tools that may not be used, though they are allowed.
    denied: BTreeSet<ToolPattern>,
    /// Whether only tools that change nothing may be used.
    only_reading: bool,
}

/// In any form.
#[derive(Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    allowed: BTreeSet<ToolPattern>,
    denied: BTreeSet<ToolPattern>,
    only_reading: bool,
}

impl From<Written> for Permissions {
    fn from(written: Written) -> Self {
        Self::shortest(written.allowed, written.denied, written.only_reading)
    }
}

impl Permissions {
    /// These tools but those.
    pub fn new(allowed: impl IntoIterator<Item = ToolPattern>, denied: impl IntoIterator<Item = ToolPattern>) -> Self {
        Self::shortest(allowed.into_iter().collect(), denied.into_iter().collect(), false)
    }

    /// Every tool.
    pub fn all() -> Self {
        Self::new([ToolPattern::any()], [])
    }

    /// No tool.
    pub fn none() -> Self {
        Self::new([], [])
    }

    /// Of these tools, those that change nothing.
    #[must_use]
    pub fn only_reading(self) -> Self {
        Self { only_reading: true, ..self }
    }

    /// Whether a tool of this name may be used; `reads` says whether it changes nothing.
    pub fn allows(&self, tool: &str, reads: bool) -> bool {
        let is_in = |patterns: &BTreeSet<ToolPattern>| patterns.iter().any(|pattern| pattern.matches(tool));
        (reads || !self.only_reading) && is_in(&self.allowed) && !is_in(&self.denied)
    }

    /// What both allow: never more than either.
    #[must_use]
    pub fn intersect(&self, parent: &Self) -> Self {
        let both = |mine| parent.allowed.iter().filter_map(move |theirs| ToolPattern::and(mine, theirs).cloned());
        let allowed = self.allowed.iter().flat_map(both).collect();
        Self::shortest(allowed, &self.denied | &parent.denied, self.only_reading || parent.only_reading)
    }

    /// Tools that may be used, unless they are [`denied`](Self::denied).
    pub fn allowed(&self) -> &BTreeSet<ToolPattern> {
        &self.allowed
    }

    /// Tools that may not be used, though they are allowed.
    pub fn denied(&self) -> &BTreeSet<ToolPattern> {
        &self.denied
    }

    /// Whether only tools that change nothing may be used.
    pub fn is_only_reading(&self) -> bool {
        self.only_reading
    }

    /// Without what says nothing: what others cover, what is allowed and wholly denied, and denials of what is not allowed.
    fn shortest(allowed: BTreeSet<ToolPattern>, denied: BTreeSet<ToolPattern>, only_reading: bool) -> Self {
        let is_denied = |tool: &ToolPattern| denied.iter().any(|denied| denied.covers(tool));
        let allowed = widest(allowed.into_iter().filter(|tool| !is_denied(tool)).collect());
        let matters = |tool: &ToolPattern| allowed.iter().any(|allowed| allowed.covers(tool));
        let denied = widest(denied.iter().filter(|tool| matters(tool)).cloned().collect());
        Self { allowed, denied, only_reading }
    }
}

/// Those that no other covers.
fn widest(patterns: BTreeSet<ToolPattern>) -> BTreeSet<ToolPattern> {
    let is_covered = |one: &ToolPattern| patterns.iter().any(|other| other != one && other.covers(one));
    patterns.iter().filter(|one| !is_covered(one)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn patterns() -> impl Strategy<Value = BTreeSet<ToolPattern>> {
        btree_set("(\\*|[ab](\\.[ab]){0,2}(\\.\\*)?)".prop_map(|text| text.parse().unwrap()), 0..5)
    }

    fn permissions() -> impl Strategy<Value = Permissions> {
        (patterns(), patterns(), any::<bool>())
            .prop_map(|(allowed, denied, reading)| Permissions::shortest(allowed, denied, reading))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_order_of_intersecting_makes_no_difference(a in permissions(), b in permissions(), c in permissions()) {
            prop_assert_eq!(a.intersect(&b), b.intersect(&a));
            prop_assert_eq!(a.intersect(&b).intersect(&c), a.intersect(&b.intersect(&c)));
            prop_assert_eq!(a.intersect(&a), a.clone());
            prop_assert_eq!(a.intersect(&Permissions::all()), a);
        }

        #[test]
        fn an_intersection_allows_what_both_allow_and_nothing_else(
            a in permissions(), b in permissions(), tool in "[ab](\\.[ab]){0,3}", reads in any::<bool>(),
        ) {
            let both = a.allows(&tool, reads) && b.allows(&tool, reads);
            prop_assert_eq!(a.intersect(&b).allows(&tool, reads), both);
        }

        #[test]
        fn the_shortest_form_says_the_same(
            allowed in patterns(), denied in patterns(), tool in "[ab](\\.[ab]){0,3}",
        ) {
            let is_in = |patterns: &BTreeSet<ToolPattern>| patterns.iter().any(|pattern| pattern.matches(&tool));
            let said = is_in(&allowed) && !is_in(&denied);
            prop_assert_eq!(Permissions::new(allowed, denied).allows(&tool, false), said);
        }
    }

    #[test]
    fn what_is_written_down_comes_back() {
        let some = Permissions::new(["fs.*".parse().unwrap()], ["fs.write".parse().unwrap()]).only_reading();
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(text, r#"{"allowed":["fs.*"],"denied":["fs.write"],"onlyReading":true}"#);
        assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap(), some);
        let long = r#"{"allowed":["fs.*","fs.read"],"denied":["http.*","fs.write"],"onlyReading":true}"#;
        assert_eq!(serde_json::from_str::<Permissions>(long).unwrap(), some);
    }
}

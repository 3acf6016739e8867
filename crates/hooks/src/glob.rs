use std::fmt;

use serde::{Deserialize, Serialize};

/// A name in which `*` stands for anything, also nothing: `command.*`, `*`, `claude.Multi*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// Whatever it is, it is one.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole name is meant.
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut pieces: Vec<&str> = pieces.collect();
        // Without a star the name is the pattern.
        let Some(last) = pieces.pop() else { return rest.is_empty() };
        for piece in pieces {
            // The first place is as good as any later one.
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let glob = Glob::new(pattern);
        assert!(matching.iter().all(|name| glob.matches(name)), "{pattern}: {matching:?}");
        assert!(!others.iter().any(|name| glob.matches(name)), "{pattern}: {others:?}");
    }

    #[test]
    fn a_star_stands_for_anything() {
        check("command.run", &["command.run"], &["command.runs", "a.command.run", ""]);
        check("command.*", &["command.run", "command."], &["command", "fs.read"]);
        check("*", &["", "anything"], &[]);
        check("*.run", &["command.run", ".run"], &["command.runs"]);
        check("mcp.*.get_*", &["mcp.git.get_log", "mcp.a.b.get_"], &["mcp.get_log", "mcp.git.set_log"]);
        check("a*a", &["aa", "aba"], &["a"]);
        check("", &[""], &["a"]);
    }
}

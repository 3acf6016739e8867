use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobBuilder, GlobMatcher};
use orchestrator_transcript::ToolPattern;
use serde::{Deserialize, Serialize};

/// Rules that hold for every call, whoever makes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Security {
    pub(crate) labels: Labels,
}

/// What is secret, what is to be believed, and what follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Labels {
    /// What these say is secret.
    pub(crate) secret_tools: BTreeSet<ToolPattern>,
    /// What is in these files is secret.
    pub(crate) secret_paths: BTreeSet<PathPattern>,
    /// What these say is believed like a person of the organisation.
    pub(crate) trusted_tools: BTreeSet<ToolPattern>,
    /// What is in these files is.
    pub(crate) trusted_paths: BTreeSet<PathPattern>,
    /// What becomes of a call that speaks to others, where what nobody vouches for and what is secret had a say in it.
    pub(crate) untrusted_secret_outbound: Outbound,
}

/// What becomes of such a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outbound {
    #[default]
    Deny,
    /// A person has to confirm it.
    Confirm,
    Allow,
}

/// Where keys, passwords and tokens usually are.
const SECRET_PATHS: [&str; 24] = [
    ".env",
    ".env.*",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    "*.jks",
    "*.kdbx",
    "*.key",
    "*.p12",
    "*.pem",
    "*.pfx",
    "credentials",
    "credentials.{csv,ini,json,toml,yaml,yml}",
    "id_{dsa,ecdsa,ed25519,rsa}",
    "secrets.{ini,json,toml,yaml,yml}",
    "**/.aws/**",
    "**/.azure/**",
    "**/.config/gcloud/**",
    "**/.docker/config.json",
    "**/.gnupg/**",
    "**/.kube/config",
    "**/.ssh/**",
];

impl Default for Labels {
    fn default() -> Self {
        let secret_paths = SECRET_PATHS.iter().map(|text| text.parse().expect("each is a pattern, as a test tells"));
        Self {
            secret_tools: BTreeSet::new(),
            secret_paths: secret_paths.collect(),
            trusted_tools: BTreeSet::new(),
            trusted_paths: BTreeSet::new(),
            untrusted_secret_outbound: Outbound::Deny,
        }
    }
}

/// Which files are meant. Without a slash: files of such a name, wherever they are. Else: such paths, from the workspace on. Capital
/// letters are like small ones, since there are systems on which they are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct PathPattern {
    text: String,
    glob: Glob,
}

impl PathPattern {
    /// What tells whether a path is meant. Making it takes a while; do it when the configuration is put in force.
    pub(crate) fn matcher(&self) -> GlobMatcher {
        self.glob.compile_matcher()
    }
}

impl FromStr for PathPattern {
    type Err = globset::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = if text.contains('/') { text.trim_start_matches("./").to_owned() } else { format!("**/{text}") };
        let glob = GlobBuilder::new(&whole).literal_separator(true).case_insensitive(true).build()?;
        Ok(Self { text: text.to_owned(), glob })
    }
}

impl TryFrom<String> for PathPattern {
    type Error = globset::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.text
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl PartialOrd for PathPattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathPattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, meant: &[&str], others: &[&str]) {
        let matcher = pattern.parse::<PathPattern>().unwrap().matcher();
        for (paths, expected) in [(meant, true), (others, false)] {
            let wrong: Vec<_> = paths.iter().filter(|path| matcher.is_match(path) != expected).collect();
            assert!(wrong.is_empty(), "{pattern:?}: {wrong:?}");
        }
    }

    #[test]
    fn a_name_is_meant_wherever_it_is_and_a_path_from_the_workspace_on() {
        check(".env", &[".env", "a/b/.env", "/home/x/.env", ".ENV"], &[".envrc", "env", ".env/x"]);
        check("*.pem", &["a.pem", "x/.pem"], &["a.pem.txt"]);
        check("keys/*", &["keys/a"], &["x/keys/a", "keys/a/b"]);
        check("**/.ssh/**", &[".ssh/id", "x/.ssh/a/b", "/home/x/.ssh/id"], &[".sshd/x"]);
        assert!("a[".parse::<PathPattern>().is_err());
    }

    #[test]
    fn the_usual_places_are_secret_unless_somebody_says_otherwise() {
        let labels = Labels::default();
        let matchers: Vec<GlobMatcher> = labels.secret_paths.iter().map(PathPattern::matcher).collect();
        let is_secret = |path: &str| matchers.iter().any(|matcher| matcher.is_match(path));
        for path in [".env", "app/.env.production", "tls/server.KEY", "id_rsa", ".aws/config", "credentials.json"] {
            assert!(is_secret(path), "{path}");
        }
        for path in ["src/id_generator.rs", "environment.md", "src/credentials.rs", "keyboard.rs", "id_rsa.pub"] {
            assert!(!is_secret(path), "{path}");
        }
        let other: Labels = serde_json::from_str(r#"{ "secretPaths": ["a"] }"#).unwrap();
        assert_eq!(other.secret_paths.len(), 1);
    }
}

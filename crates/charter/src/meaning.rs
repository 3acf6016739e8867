use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orchestrator_transcript::ToolPattern;
use serde::{Deserialize, Serialize};

use crate::{Action, Fact, Facts};

/// Whether an action is what a line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It is not.
    No,
    /// It cannot be told: a fact is missing.
    Maybe,
    /// It is.
    Yes,
}

impl From<bool> for Fit {
    fn from(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }
}

/// Which calls of tools a business action is: those of these tools for which everything that is given holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Names (`fs.remove`), beginnings (`mcp.*`) or `*`.
    pub tools: BTreeSet<ToolPattern>,
    /// Whether the tool only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<bool>,
    /// It speaks to one of these hosts: `api.example.com`, or `*.example.com` for all below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<String>>,
    /// It speaks to a host that is none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts_outside: Option<BTreeSet<String>>,
    /// It works on one of these paths or on something beneath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<BTreeSet<String>>,
    /// It runs one of these programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programs: Option<BTreeSet<String>>,
    /// `true`: its arguments contain a known secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secrets: bool,
    /// `true`: somebody nobody vouches for had a say in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untrusted: bool,
    /// `true`: whoever wants it has read something secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// How much of what an action does has to be what a rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// Any of it: so that nothing is rejected in vain by doing more.
    Some,
    /// All of it: so that nothing is approved by doing more.
    All,
}

impl Rule {
    fn fits(&self, action: &Action, share: Share) -> Fit {
        let facts = &action.facts;
        // Hosts or paths alone say nothing of what else a command does.
        let is_free = share == Share::All && self.programs.is_none();
        if is_free && (!facts.programs.is_empty() || facts.unknown.contains(&Fact::Programs)) {
            return Fit::No;
        }
        let is_named = self.tools.iter().any(|pattern| pattern.matches(&action.name));
        let is_labelled = (!self.untrusted || facts.untrusted) && (!self.secret || facts.secret);
        if !is_named || self.reads.is_some_and(|reads| reads != action.reads) || !is_labelled {
            return Fit::No;
        }
        let hosts = self.hosts.as_ref().map(|wanted| {
            let is_meant = |host: &String| wanted.iter().any(|pattern| is_host(pattern, host));
            share.of(&facts.hosts, is_meant, facts, Fact::Hosts)
        });
        let outside = self.hosts_outside.as_ref().map(|inside| {
            let is_outside = |host: &String| !inside.iter().any(|pattern| is_host(pattern, host));
            share.of(&facts.hosts, is_outside, facts, Fact::Hosts)
        });
        let paths = self.paths.as_ref().map(|wanted| {
            let is_beneath = |path: &String| wanted.iter().any(|place| Path::new(path).starts_with(place));
            share.of(&facts.paths, is_beneath, facts, Fact::Paths)
        });
        let programs = self.programs.as_ref().map(|wanted| {
            let is_meant = |program: &String| wanted.contains(program);
            share.of(&facts.programs, is_meant, facts, Fact::Programs)
        });
        let secrets = self.secrets.then(|| share.of(&facts.secrets, |_| true, facts, Fact::Secrets));
        [hosts, outside, paths, programs, secrets].into_iter().flatten().min().unwrap_or(Fit::Yes)
    }
}

impl Share {
    fn of(self, known: &BTreeSet<String>, is_meant: impl Fn(&String) -> bool, facts: &Facts, fact: Fact) -> Fit {
        let is_unknown = facts.unknown.contains(&fact);
        match self {
            Self::Some if known.iter().any(&is_meant) => Fit::Yes,
            Self::Some if is_unknown => Fit::Maybe,
            Self::Some => Fit::No,
            Self::All if !known.iter().all(&is_meant) => Fit::No,
            Self::All if is_unknown => Fit::Maybe,
            Self::All => Fit::from(!known.is_empty()),
        }
    }
}

fn is_host(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|below| below.len() > 1 && below.ends_with('.')),
        None => pattern == host,
    }
}

/// What business actions mean: names without dots that charters use, and the calls they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions(BTreeMap<String, Vec<Rule>>);

/// Those that everybody has; hosts inside are none.
impl Default for Actions {
    fn default() -> Self {
        Self::inside(&BTreeSet::new())
    }
}

/// What can carry words out of the daemon.
const OUTWARD: &[&str] = &[
    "http.*",
    "mcp.*",
    "message.*",
    "channel.*",
    "notify.*",
    "agent.*",
    "task.*",
    "session.*",
    "prompt.*",
    "command.*",
];
const DELETING: &[&str] = &["fs.remove", "fs.delete", "task.delete", "schedule.delete", "session.workspace.discard"];
const DELETERS: &[&str] = &["rm", "rmdir", "unlink", "shred"];
const FETCHERS: &[&str] =
    &["curl", "wget", "ssh", "scp", "sftp", "ftp", "rsync", "nc", "ncat", "netcat", "socat", "telnet"];
const STOPPERS: &[&str] =
    &["shutdown", "reboot", "halt", "poweroff", "systemctl", "init", "telinit", "loginctl", "launchctl"];
const TEAM: &[&str] = &[
    "message.*",
    "agent.message",
    "agent.spawn",
    "agent.status",
    "agent.get",
    "agent.list",
    "task.create",
    "task.get",
    "task.list",
    "task.history",
    "task.explain",
];

impl Actions {
    /// The six that everybody has. Calls to `hosts_inside` are not external.
    pub fn inside(hosts_inside: &BTreeSet<String>) -> Self {
        let of = |tools: &[&str]| Rule { tools: patterns(tools), ..Rule::default() };
        let commands = |programs: &[&str]| Rule { programs: Some(texts(programs)), ..of(&["command.*"]) };
        let own = ["localhost", "127.0.0.1", "[::1]", "::1"].map(str::to_owned);
        let inside = hosts_inside.iter().cloned().chain(own).collect();
        let meanings = [
            ("internal_team_communication", vec![of(TEAM)]),
            (
                "external_api_calls",
                vec![
                    Rule { hosts_outside: Some(inside), ..of(&["http.*"]) },
                    Rule { reads: Some(false), ..of(&["mcp.*"]) },
                    commands(FETCHERS),
                ],
            ),
            ("resource_deletion", vec![of(DELETING), commands(DELETERS)]),
            ("credentials_sharing", vec![Rule { secrets: true, ..of(OUTWARD) }]),
            ("secret_exfiltration", vec![Rule { untrusted: true, secret: true, ..of(OUTWARD) }]),
            ("system_shutdown", vec![commands(STOPPERS), of(&["daemon.stop", "daemon.restart", "system.*"])]),
        ];
        Self(meanings.into_iter().map(|(name, rules)| (name.to_owned(), rules)).collect())
    }

    /// With more that these names mean; what they meant before they go on to mean.
    #[must_use]
    pub fn extended(mut self, more: &BTreeMap<String, Vec<Rule>>) -> Self {
        for (name, rules) in more {
            self.0.entry(name.clone()).or_default().extend(rules.iter().cloned());
        }
        self
    }

    /// Whether this is the name of a business action.
    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether an action is what an entry of a list means: the tool of that name, or one of the calls of that business action.
    pub fn fit(&self, entry: &ToolPattern, action: &Action) -> Fit {
        self.share(entry, action, Share::Some)
    }

    /// Whether all that an action does is for certain what an entry means: the tool of that name, or each of its programs, hosts and
    /// paths is named by one rule of that business action, as far as the rule names any. A command is covered by its programs only.
    pub fn covers(&self, entry: &ToolPattern, action: &Action) -> bool {
        self.share(entry, action, Share::All) == Fit::Yes
    }

    fn share(&self, entry: &ToolPattern, action: &Action, share: Share) -> Fit {
        if entry.matches(&action.name) {
            return Fit::Yes;
        }
        // Business actions have no dots in their names: most lines need not be looked up.
        if entry.as_str().contains('.') {
            return Fit::No;
        }
        let rules = self.0.get(entry.as_str()).into_iter().flatten();
        rules.map(|rule| rule.fits(action, share)).max().unwrap_or(Fit::No)
    }

    /// The business actions that this one is, or may be.
    pub fn of(&self, action: &Action) -> BTreeMap<&str, Fit> {
        let fits = self
            .0
            .iter()
            .map(|(name, rules)| (name.as_str(), rules.iter().map(|rule| rule.fits(action, Share::Some)).max()))
            .map(|(name, fit)| (name, fit.unwrap_or(Fit::No)));
        fits.filter(|(_, fit)| *fit != Fit::No).collect()
    }
}

fn patterns(texts: &[&str]) -> BTreeSet<ToolPattern> {
    texts.iter().map(|text| text.parse().expect("each is a pattern, as a test tells")).collect()
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> BTreeSet<String> {
        super::texts(texts)
    }

    #[track_caller]
    fn check(action: &Action, expected: &[(&str, Fit)]) {
        let actions = Actions::inside(&set(&["*.corp.example"]));
        let found: Vec<(&str, Fit)> = actions.of(action).into_iter().collect();
        assert_eq!(found, expected, "{action:?}");
    }

    fn with(name: &str, facts: Facts) -> Action {
        Action { facts, ..Action::new(name) }
    }

    #[test]
    fn the_six_actions_mean_calls_of_tools() {
        check(&Action::new("fs.write"), &[]);
        check(&Action::new("fs.remove"), &[("resource_deletion", Fit::Yes)]);
        check(&Action::new("task.create"), &[("internal_team_communication", Fit::Yes)]);
        check(&Action::new("daemon.stop"), &[("system_shutdown", Fit::Yes)]);
        check(&Action::new("mcp.shop.order"), &[("external_api_calls", Fit::Yes)]);
        check(&Action { reads: true, ..Action::new("mcp.shop.prices") }, &[]);
        let host = |host: &str| Facts { hosts: set(&[host]), ..Facts::default() };
        check(&with("http.request", host("api.example")), &[("external_api_calls", Fit::Yes)]);
        check(&with("http.request", host("git.corp.example")), &[]);
        check(&with("http.request", host("xcorp.example")), &[("external_api_calls", Fit::Yes)]);
        let secret = Facts { secrets: set(&["model-key"]), ..host("git.corp.example") };
        check(&with("http.request", secret), &[("credentials_sharing", Fit::Yes)]);
        let labelled = |untrusted, secret| Facts { untrusted, secret, ..host("git.corp.example") };
        check(&with("http.request", labelled(true, true)), &[("secret_exfiltration", Fit::Yes)]);
        check(&with("http.request", labelled(true, false)), &[]);
        check(&with("http.request", labelled(false, true)), &[]);
        check(&with("fs.write", labelled(true, true)), &[]);
    }

    #[test]
    fn a_command_is_known_by_its_program_and_may_be_anything_if_that_is_unknown() {
        let runs = |program: &str| Facts { programs: set(&[program]), ..Facts::default() };
        check(&with("command.run", runs("cargo")), &[]);
        check(&with("command.run", runs("rm")), &[("resource_deletion", Fit::Yes)]);
        check(&with("command.run", runs("reboot")), &[("system_shutdown", Fit::Yes)]);
        check(&with("command.run", runs("rm2")), &[]);
        let unknown = Facts { unknown: [Fact::Programs].into(), ..runs("sh") };
        let may =
            [("external_api_calls", Fit::Maybe), ("resource_deletion", Fit::Maybe), ("system_shutdown", Fit::Maybe)];
        check(&with("command.run", unknown), &may);
    }

    #[test]
    fn what_covers_an_action_covers_all_that_it_does() {
        let rules = r#"{
            "builds": [{"tools": ["command.*"], "programs": ["cargo", "ls"]}],
            "partners": [{"tools": ["*"], "hosts": ["api.example", "*.corp.example"]}],
            "docs": [{"tools": ["fs.*"], "paths": ["docs"]}]
        }"#;
        let actions = Actions::default().extended(&serde_json::from_str(rules).unwrap());
        let covers = |entry: &str, name: &str, facts: &Facts| {
            actions.covers(&entry.parse().unwrap(), &with(name, facts.clone()))
        };
        let runs = |programs: &[&str]| Facts { programs: set(programs), ..Facts::default() };
        assert!(
            covers("builds", "command.run", &runs(&["cargo"]))
                && covers("builds", "command.run", &runs(&["cargo", "ls"]))
        );
        assert!(!covers("builds", "command.run", &runs(&["cargo", "rm"])), "it runs something else too");
        assert!(!covers("builds", "command.run", &runs(&[])), "there is nothing to cover");
        let unsure = Facts { unknown: [Fact::Programs].into(), ..runs(&["cargo"]) };
        assert!(!covers("builds", "command.run", &unsure) && covers("command.run", "command.run", &unsure));
        let asks = |hosts: &[&str]| Facts { hosts: set(hosts), ..Facts::default() };
        assert!(covers("partners", "http.get", &asks(&["api.example", "git.corp.example"])));
        assert!(!covers("partners", "http.get", &asks(&["api.example", "evil.example"])));
        let fetch = Facts { programs: set(&["curl", "rm"]), ..asks(&["api.example"]) };
        assert!(!covers("partners", "command.run", &fetch), "its host is approved, its programs are not");
        let on = |paths: &[&str]| Facts { paths: set(paths), ..Facts::default() };
        assert!(
            covers("docs", "fs.move", &on(&["docs/a", "docs/b"]))
                && !covers("docs", "fs.move", &on(&["docs/a", "src/b"]))
        );
    }

    #[test]
    fn what_an_operator_adds_adds() {
        let rule: Rule = serde_json::from_str(r#"{"tools": ["fs.*"], "paths": ["deploy"]}"#).unwrap();
        let more =
            BTreeMap::from([("resource_deletion".to_owned(), vec![rule.clone()]), ("rollout".into(), vec![rule])]);
        let actions = Actions::default().extended(&more);
        let on = |path: &str| with("fs.write", Facts { paths: set(&[path]), ..Facts::default() });
        let both = BTreeMap::from([("resource_deletion", Fit::Yes), ("rollout", Fit::Yes)]);
        assert_eq!(actions.of(&on("deploy/live.yaml")), both);
        assert_eq!(actions.of(&on("deployed")), BTreeMap::new());
        assert_eq!(actions.of(&Action::new("fs.remove")), BTreeMap::from([("resource_deletion", Fit::Yes)]));
    }
}

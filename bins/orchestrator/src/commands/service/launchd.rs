//! launchd: everything here that is macOS.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Failure, MARK, Manager, Service, State, run_to_end};

pub(super) struct Launchd {
    label: String,
    file: PathBuf,
    logs: PathBuf,
    /// Of the user's session.
    domain: String,
}

impl Launchd {
    pub(super) fn new(name: &str, home: &Path) -> Self {
        let domain = format!("gui/{}", rustix::process::getuid().as_raw());
        let library = home.join("Library");
        Self {
            label: name.to_owned(),
            file: library.join("LaunchAgents").join(format!("{name}.plist")),
            logs: library.join("Logs").join(format!("{name}.log")),
            domain,
        }
    }

    fn target(&self) -> String {
        format!("{}/{}", self.domain, self.label)
    }
}

fn launchctl(arguments: &[&str]) -> Result<String, Failure> {
    run_to_end(Command::new("launchctl").args(arguments))
}

impl Manager for Launchd {
    fn title(&self) -> &'static str {
        "launchd"
    }

    fn file(&self) -> &Path {
        &self.file
    }

    fn text(&self, service: &Service) -> String {
        let words = std::iter::once(&service.program).chain(&service.arguments);
        let words: String = words.map(|word| format!("        {}\n", string(word))).collect();
        let secrets = service.secrets.iter().map(|secret| (secret.variable(), secret.file.clone()));
        let variables = std::iter::once(("PATH".to_owned(), service.path.clone())).chain(secrets);
        let variables: String =
            variables.map(|(name, value)| format!("        <key>{name}</key>{}\n", string(&value))).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <!-- {MARK} -->\n\
             <plist version=\"1.0\">\n\
             <dict>\n\
             \x20   <key>Label</key>{label}\n\
             \x20   <key>ProgramArguments</key>\n    <array>\n{words}    </array>\n\
             \x20   <key>WorkingDirectory</key>{directory}\n\
             \x20   <key>EnvironmentVariables</key>\n    <dict>\n{variables}    </dict>\n\
             \x20   <key>RunAtLoad</key><true/>\n\
             \x20   <key>KeepAlive</key><true/>\n\
             \x20   <key>ThrottleInterval</key><integer>2</integer>\n\
             \x20   <key>ExitTimeOut</key><integer>30</integer>\n\
             \x20   <key>ProcessType</key><string>Standard</string>\n\
             \x20   <key>Umask</key><integer>63</integer>\n\
             \x20   <key>SoftResourceLimits</key>\n    <dict>\n        <key>NumberOfFiles</key><integer>65536</integer>\n    </dict>\n\
             \x20   <key>StandardOutPath</key>{log}\n\
             \x20   <key>StandardErrorPath</key>{log}\n\
             </dict>\n\
             </plist>\n",
            label = string(&self.label),
            directory = string(&service.directory),
            log = string(&self.logs.to_string_lossy()),
        )
    }

    fn is_there(&self) -> Result<(), Failure> {
        launchctl(&["version"]).map(drop).map_err(|failure| failure.hint("launchd is part of macOS"))
    }

    fn start(&self, has_changed: bool) -> Result<(), Failure> {
        let is_loaded = launchctl(&["print", &self.target()]).is_ok();
        if is_loaded && !has_changed {
            return Ok(());
        }
        if is_loaded {
            launchctl(&["bootout", &self.target()])?;
        }
        launchctl(&["enable", &self.target()])?;
        launchctl(&["bootstrap", &self.domain, &self.file.to_string_lossy()]).map(drop)
    }

    fn stop(&self) -> Result<(), Failure> {
        if launchctl(&["print", &self.target()]).is_err() {
            return Ok(());
        }
        launchctl(&["bootout", &self.target()]).map(drop)
    }

    fn forget(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn state(&self) -> State {
        if let Err(failure) = launchctl(&["version"]) {
            return State { problem: Some(failure.message().to_owned()), ..State::default() };
        }
        // It fails for what is not loaded.
        let told = launchctl(&["print", &self.target()]).unwrap_or_default();
        let names = [("state", "state"), ("pid", "pid"), ("lastExitCode", "last exit code")];
        let facts: Vec<_> =
            names.into_iter().filter_map(|(name, theirs)| Some((name, value(&told, theirs)?.to_owned()))).collect();
        State { is_running: value(&told, "state") == Some("running"), facts, problem: None }
    }

    fn advice(&self) -> &'static str {
        "It runs while you are logged in. Its log is in ~/Library/Logs"
    }
}

/// The first of its name: what follows is about other things than the service.
fn value<'a>(told: &'a str, name: &str) -> Option<&'a str> {
    told.lines().filter_map(|line| line.trim().split_once(" = ")).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn string(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<string>{escaped}</string>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_would_interpret_is_escaped() {
        assert_eq!(string("a <b> & c"), "<string>a &lt;b&gt; &amp; c</string>");
    }

    #[test]
    fn what_launchctl_prints_is_read() {
        let told = "gui/501/x = {\n\tstate = running\n\tpid = 7\n\tspawn type = x\n\t\tstate = active\n}\n";
        assert_eq!((value(told, "state"), value(told, "pid"), value(told, "runs")), (Some("running"), Some("7"), None));
    }
}

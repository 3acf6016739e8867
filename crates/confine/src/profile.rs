use std::fmt::Write as _;
use std::path::Path;

use orchestrator_process::Network;

use crate::Confinement;

/// What `sandbox-exec` of macOS is told. `None` if a path is not text, or has a character that a profile has no form for.
///
/// Paths must be real ones: macOS judges them after following links.
pub fn profile(confinement: &Confinement) -> Option<String> {
    let mut text = String::from(concat!(
        "(version 1)\n(deny default)\n(allow process-fork)\n(allow signal (target same-sandbox))\n",
        "(allow sysctl-read)\n(allow mach-lookup (global-name \"com.apple.system.opendirectoryd.libinfo\"))\n",
        "(allow file-read-metadata)\n(allow file-read* (literal \"/\"))\n",
        "(allow file-read* file-write-data (literal \"/dev/null\") (literal \"/dev/zero\"))\n",
        "(allow file-read* (literal \"/dev/random\") (literal \"/dev/urandom\"))\n",
    ));
    let mut allow = |what: &str, paths: &[std::path::PathBuf]| -> Option<()> {
        for path in paths {
            writeln!(text, "(allow {what} (subpath {}))", quoted(path)?).ok()?;
        }
        Some(())
    };
    allow("file-read*", &confinement.readable)?;
    allow("file-read* process-exec file-map-executable", &confinement.executable)?;
    allow("file-read* file-write*", &confinement.writable)?;
    match confinement.network {
        Network::None => {}
        Network::UnixOnly => text.push_str("(allow network* (local unix-socket) (remote unix-socket))\n"),
        _ => text.push_str("(allow network*)\n(allow system-socket)\n"),
    }
    Some(text)
}

fn quoted(path: &Path) -> Option<String> {
    let path = path.to_str()?;
    if path.contains(char::is_control) {
        return None;
    }
    Some(format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_but_what_is_named() {
        let confinement = Confinement {
            readable: vec!["/etc/hosts".into()],
            writable: vec!["/w \"x\"\\".into()],
            executable: vec!["/usr".into()],
            ..Confinement::default()
        };
        let text = profile(&confinement).unwrap();
        assert!(text.starts_with("(version 1)\n(deny default)\n"));
        for line in [
            r#"(allow file-read* (subpath "/etc/hosts"))"#,
            r#"(allow file-read* file-write* (subpath "/w \"x\"\\"))"#,
            r#"(allow file-read* process-exec file-map-executable (subpath "/usr"))"#,
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
        assert!(!text.contains("network"));
        assert_eq!(text.matches('(').count(), text.matches(')').count());
    }

    #[test]
    fn whom_it_may_speak_to_is_one_line() {
        let with = |network| profile(&Confinement { network, ..Confinement::default() }).unwrap();
        assert!(with(Network::UnixOnly).contains("(remote unix-socket)"));
        assert!(with(Network::All).contains("(allow network*)"));
    }

    #[test]
    fn a_path_that_could_end_the_line_is_none() {
        let confinement = Confinement { readable: vec!["/a\n(allow default)".into()], ..Confinement::default() };
        assert_eq!(profile(&confinement), None);
    }
}

use async_trait::async_trait;
use serde_json::Value;

use crate::{Answer, Event, Failed, Handler, Input};

/// Knows commands that destroy much by their words. Who means to hide one can: what may run at all is for the operator's list,
/// charters and confinement to say.
pub(super) struct Guard;

#[async_trait]
impl Handler for Guard {
    async fn run(&self, _: Event, input: &Input) -> Result<Answer, Failed> {
        let arguments = input.tool.as_ref().map_or(&Value::Null, |tool| &tool.input);
        let danger = segments(arguments).iter().find_map(|words| danger(words));
        Ok(danger.map_or_else(Answer::default, |danger| Answer::deny(format!("the command {danger}"))))
    }
}

/// The words of each command: those of `argv`, or of a text, and of what a shell is given to run.
fn segments(arguments: &Value) -> Vec<Vec<String>> {
    let argv: Option<Vec<String>> =
        arguments["argv"].as_array().map(|argv| argv.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let texts: Vec<String> = match (&argv, arguments["command"].as_str()) {
        (Some(argv), _) => argv.iter().filter(|word| word.contains(char::is_whitespace)).cloned().collect(),
        (None, command) => command.map(str::to_owned).into_iter().collect(),
    };
    let separated = texts.iter().flat_map(|text| text.split(['\n', ';', '|', '&', '(', ')', '`']));
    let words = |text: &str| -> Vec<String> {
        text.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
    };
    let bombs = texts.iter().filter(|text| is_bomb(text)).map(|_| vec![BOMB.to_owned()]);
    argv.into_iter().chain(separated.map(words)).chain(bombs).filter(|words| !words.is_empty()).collect()
}

/// Stands for a function that calls itself twice.
const BOMB: &str = ":(){ :|:& };:";

fn is_bomb(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    bare.contains(":(){:|:&};:")
}

fn danger(words: &[String]) -> Option<&'static str> {
    if words == [BOMB] {
        return Some("starts itself until nothing else runs");
    }
    // What stands in front of the program itself.
    let is_prefix = |word: &&String| {
        ["sudo", "env", "nice", "nohup", "command", "exec", "time"].contains(&word.as_str()) || word.contains('=')
    };
    let words: Vec<&String> = words.iter().skip_while(is_prefix).collect();
    let (program, rest) = words.split_first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let has = |wanted: &[&str]| rest.iter().any(|word| wanted.contains(&word.as_str()));
    let flag = |short: char, long: &str| {
        rest.iter()
            .any(|word| *word == long || (word.starts_with('-') && !word.starts_with("--") && word.contains(short)))
    };
    let everything = rest.iter().any(|word| is_everything(word));
    match name {
        "rm" if (flag('r', "--recursive") || flag('R', "--recursive")) && everything => Some("removes everything"),
        "chmod" | "chown" if flag('R', "--recursive") && everything => Some("changes the owner or mode of everything"),
        "dd" if rest.iter().any(|word| word.starts_with("of=/dev/")) => Some("writes over a disk"),
        "shutdown" | "reboot" | "halt" | "poweroff" => Some("ends the machine"),
        "wipefs" | "shred" if rest.iter().any(|word| word.starts_with("/dev/")) => Some("writes over a disk"),
        "git" if has(&["push"]) && has(&["--force", "-f", "--mirror"]) => Some("overwrites history at a remote"),
        "git" if has(&["clean"]) && flag('f', "--force") && flag('x', "-x") => {
            Some("removes what is not in the repository")
        }
        _ if name.starts_with("mkfs") => Some("makes a file system over what is there"),
        _ => None,
    }
}

/// Directories without which nothing is left.
fn is_everything(path: &str) -> bool {
    const ROOTS: [&str; 12] =
        ["/", "~", "$HOME", "${HOME}", "/etc", "/usr", "/var", "/home", "/root", "/boot", "/bin", "/lib"];
    let path = path.trim_end_matches('*');
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    ROOTS.contains(&path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(arguments: Value) -> Option<&'static str> {
        segments(&arguments).iter().find_map(|words| danger(words))
    }

    #[test]
    fn what_destroys_much_is_known() {
        for argv in [
            json!(["rm", "-rf", "/"]),
            json!(["sudo", "rm", "-r", "-f", "~/"]),
            json!(["/bin/rm", "--recursive", "/usr/*"]),
            json!(["sh", "-c", "cd /tmp && rm -fr $HOME"]),
            json!(["sh", "-c", "echo x | sudo dd if=/dev/zero of=/dev/sda"]),
            json!(["mkfs.ext4", "/dev/sda1"]),
            json!(["git", "push", "--force", "origin", "main"]),
            json!(["bash", "-c", ":(){ :|:& };:"]),
            json!(["env", "A=b", "shutdown", "now"]),
            json!(["chmod", "-R", "777", "/"]),
        ] {
            assert!(found(json!({ "argv": argv })).is_some(), "{argv}");
        }
        assert!(found(json!({ "command": "ls; rm -rf /" })).is_some(), "as coding agents tell it");
    }

    #[test]
    fn what_does_not_passes() {
        for argv in [
            json!(["rm", "-rf", "target"]),
            json!(["rm", "/etc/motd"]),
            json!(["echo", "rm", "-rf"]),
            json!(["git", "push", "origin", "main"]),
            json!(["git", "clean", "-n"]),
            json!(["dd", "if=a", "of=b"]),
            json!(["sh", "-c", "ls -R / | head"]),
            json!(["chmod", "-R", "go-w", "src"]),
        ] {
            assert_eq!(found(json!({ "argv": argv })), None, "{argv}");
        }
        assert_eq!(found(json!({})), None);
    }
}

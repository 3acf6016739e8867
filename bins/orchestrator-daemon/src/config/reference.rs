//! The reference of all keys, and what `--check-config` and `config explain` print.

use orchestrator_redact::Redactor;
use orchestrator_settings::Loaded;

use super::changes::leaves;
use super::{Config, keys, shown};

const HEAD: &str = "\
# Configuration

What is left out has its default; an unknown key, or a value of a wrong type, stops the start (and refuses a reload) with file, line
and key. What a key is set to, and where, is told by `orchestrator config explain`, or by `orchestrator-daemon config explain` where no
daemon runs. This table is printed by `orchestrator-daemon config reference`, from the same list that decides what a reload applies; a
test compares it with the configuration itself.

## Where values come from

Flags win over the environment (`.env` beneath the real one), that over what was set at run time, that over the file, that over the
defaults. The file is `--config`, else `ORCHESTRATOR_CONFIG`, else `./orchestrator.{toml,yaml,json}`. Any key is also
`ORCHESTRATOR__SECTION__KEY`: `ORCHESTRATOR__RATE_LIMIT__CALLS_PER_CREDENTIAL`. A secret may come as `NAME_FILE` or `<key>File`: the path of
a file that holds it.

## Changing it while the daemon runs

- **The file, `.env`, and files of secrets** are watched; a change is loaded within a second. So do `SIGHUP` and `orchestrator config
  reload`.
- **`orchestrator config set KEY=VALUE…`** (operation `config.set`) writes `config.set.json` in the data directory, mode 0600, and applies
  it. `config unset KEY…` goes back to what the file says. Your own file is never rewritten.
- The new configuration is checked as a whole and applied as a whole, or refused as a whole; then everything stays as it was, the event
  `config.refused` and the log say why, and `config_last_reload_successful` is 0. Event `config.reloaded` names what was applied and what needs a
  restart.
- Programs of agents (`agents.NAME.program`, `codingAgents`) and `daemon.dataDir` are in the file and cannot be set over the network.
- A secret is shown as `***`. Written back, `***` leaves it as it is.

`live`: takes effect when it is loaded. `new connections`: open ones keep what they began with. `restart`: loaded and checked, in effect after
the next start.

## Keys

| key | takes | default | takes effect | what it is |
| --- | --- | --- | --- | --- |
";

/// `docs/configuration.md`.
pub(crate) fn markdown() -> String {
    let defaults = leaves(&Config::default());
    let rows = keys::all().map(|key| {
        let path: Vec<String> = key.path.split('.').map(str::to_owned).collect();
        let default = match defaults.get(&path) {
            Some(value) => format!("`{value}`"),
            None if key.path.split('.').any(keys::is_any) => "-".to_owned(),
            None => String::new(),
        };
        format!("| `{}` | {} | {default} | {} | {} |\n", key.path, key.takes, key.effect.as_str(), key.about)
    });
    HEAD.to_owned() + &rows.collect::<String>()
}

/// Each value and where it came from, without a daemon.
pub(crate) fn print_explained(loaded: &Loaded<Config>, redactor: &Redactor) {
    for value in shown::explained(loaded, &loaded.value, redactor) {
        println!("{} = {}  ({}, {})", value.key, value.value, value.source, value.effect);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_in_the_documentation_is_this_one() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let written = std::fs::read_to_string(file).unwrap_or_default();
        let same = written == super::markdown();
        assert!(same, "run: cargo run -p orchestrator-daemon -- config reference > docs/configuration.md");
    }
}

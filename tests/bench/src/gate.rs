use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use orchestrator_charter::{Action, Charters, Config, Documents, Verdict};
use orchestrator_redact::Redactor;
use orchestrator_security::{Decided, Opinion, Stance, decide};
use orchestrator_tools::Spec;
use orchestrator_transcript::ToolPattern;
use orchestrator_vocab::{Label, OrgId};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::Scale;
use crate::figure::{Aim, Figure, micros, percentile};

/// The daemon's own.
#[path = "../../../bins/orchestrator-daemon/src/adapters"]
mod adapters {
    use super::{Action, Label, Redactor, Spec, Value};

    #[expect(dead_code, unused_imports, reason = "calls of others are not among those that are measured")]
    mod facts;

    pub(super) fn action(spec: &Spec, arguments: &Value, redactor: &Redactor) -> Action {
        facts::action(&facts::Seen::new(spec.name.as_str(), arguments), Some(spec), Label::USER, redactor)
    }
}

/// Charters that everybody acts under, and the lines of each.
const CHARTERS: usize = 4;
const LINES: usize = 45;
/// Lines of `tools.allow`.
const ALLOWED: usize = 20;

/// One decision about a call of a tool, as the gate makes it before anything is written down.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    tokio::task::spawn_blocking(move || measured(scale)).await?
}

fn measured(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let place = tempfile::tempdir()?;
    let judge = Judge::new(place.path())?;
    let calls = calls()?;
    let (mut samples, times) = (Vec::new(), scale.of(100_000, 500));
    for _ in 0..times {
        for (spec, arguments) in &calls {
            let started = Instant::now();
            let decided = judge.decided(spec, arguments);
            samples.push(started.elapsed());
            anyhow::ensure!(matches!(decided, Decided::Allowed(_)), "{}: {decided:?}", spec.name);
        }
    }
    let rules = CHARTERS * LINES + ALLOWED;
    let names: Vec<String> = calls.iter().map(|(spec, _)| spec.name.to_string()).collect();
    let conditions = |of: &str| {
        format!(
            "{of} of {} decisions: facts, {rules} lines in {CHARTERS} charters and tools.allow, {}",
            samples.len(),
            names.join(" ")
        )
    };
    let (half, most) = (conditions("half"), conditions("99 %"));
    let mut at = |percent: usize| -> Duration { percentile(&mut samples, percent) };
    Ok(vec![
        Figure::new("gate.decide.p50", micros(at(50)), "µs", half),
        Figure::new("gate.decide.p99", micros(at(99)), "µs", most).aiming(Aim::AtMost(10.0)),
    ])
}

/// The parts of the gate that decide, as the daemon has them.
struct Judge {
    allow: BTreeSet<ToolPattern>,
    charters: Charters,
    redactor: Redactor,
}

impl Judge {
    fn new(place: &Path) -> anyhow::Result<Self> {
        let names: Vec<String> = (0..CHARTERS).map(|number| format!("layer-{number}")).collect();
        for name in &names {
            std::fs::write(place.join(format!("{name}.yaml")), charter(name))?;
        }
        let config = Config { directory: place.to_owned(), everyone: names.into_iter().collect(), ..Config::default() };
        let charters = Charters::new(&config, &[]);
        charters.put(Documents::read(&config, place));
        let faults = &charters.catalogue().faults;
        anyhow::ensure!(faults.is_empty(), "{faults:?}");
        let others = (4..ALLOWED).map(|number| format!("mcp.server-{number}.*"));
        let own = ["command.run", "fs.*", "http.*", "task.*"].map(str::to_owned);
        let allow = own.into_iter().chain(others).map(|pattern| pattern.parse()).collect::<Result<_, _>>()?;
        let secret = |builder: orchestrator_redact::Builder, number: usize| {
            builder.secret(&format!("key-{number}"), &SecretString::from(format!("correct horse {number} battery")))
        };
        let redactor = (0..36).fold(Redactor::builder().personal_data(), secret).build();
        Ok(Self { allow, charters, redactor })
    }

    fn decided(&self, spec: &Spec, arguments: &Value) -> Decided {
        let tool = spec.name.as_str();
        let action = adapters::action(spec, arguments, &self.redactor);
        let listed = match self.allow.iter().find(|pattern| pattern.matches(tool)) {
            Some(pattern) => Opinion::new(Stance::Allow, format!("tools.allow has {pattern}")),
            None => Opinion::new(Stance::Deny, format!("{tool} is not in tools.allow")),
        };
        let above = self.charters.above(OrgId::LOCAL);
        let said = above.iter().map(|name| match self.charters.get(name) {
            Ok(charter) => {
                let said = charter.opinion(&action);
                Opinion::new(stance(said.verdict), said.reason)
            }
            Err(missing) => Opinion::new(Stance::Deny, missing.to_string()),
        });
        decide([listed].into_iter().chain(said))
    }
}

fn stance(verdict: Verdict) -> Stance {
    match verdict {
        Verdict::Allow => Stance::Allow,
        Verdict::Abstain => Stance::Abstain,
        Verdict::Confirm => Stance::Confirm,
        Verdict::Deny => Stance::Deny,
    }
}

/// Names, beginnings and business actions; none of the calls that are measured is rejected or has to be confirmed.
fn charter(name: &str) -> String {
    let mut text = "safetyHeuristics:\n".to_owned();
    for (list, count, more) in [
        ("alwaysReject", 15, "system_shutdown, credentials_sharing"),
        ("requireConfirmation", 15, "resource_deletion"),
        ("autoApprove", LINES - 33, "internal_team_communication, fs.*, command.run"),
    ] {
        let lines: Vec<String> = (0..count - usize::from(list == "autoApprove") * 3)
            .map(|number| match number % 2 {
                0 => format!("mcp.{name}-{list}.do-{number}"),
                _ => format!("mcp.{name}-{list}-{number}.*"),
            })
            .collect();
        let _ = writeln!(text, "  {list}: [{more}, {}]", lines.join(", "));
    }
    text
}

fn calls() -> anyhow::Result<Vec<(Spec, Value)>> {
    let spec = |name: &str| anyhow::Ok(Spec::new(name.parse()?, "what it does"));
    Ok(vec![
        (spec("fs.read")?.reads(), json!({ "path": "crates/tasks/src/lib.rs" })),
        (
            spec("fs.write")?,
            json!({ "path": "notes/today.md", "content": "All is well, and nothing is left to do. ".repeat(6) }),
        ),
        (spec("command.run")?, json!({ "argv": ["cargo", "test", "-p", "orchestrator-tasks", "--", "--nocapture"] })),
        (
            spec("task.create")?,
            json!({ "title": "Look at it", "description": "Somebody has to look at it before Friday.", "priority": "high" }),
        ),
        (spec("http.fetch")?.reads(), json!({ "url": "https://docs.example.com/reference/index.html?page=2" })),
    ])
}

//! A charter, a narrower one that extends it, and what they say of a few calls.
//!
//! `cargo run -p orchestrator-examples --example charter`

use orchestrator_charter::{Action, Catalogue, Config, Facts};

const NARROW: &str = "
name: Archivist
extends: virtual-principal
resourceLimits: { maxSessions: 80, maxDuration: 30m }
safetyHeuristics:
  alwaysReject: [fs.remove]
  escalate: [{ action: 'mcp.*', to: 'channel:ops', timeoutMs: 600000 }]
hardConstraints: [Never promise a date.]
";

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    write("virtual-principal.yaml", include_str!("charters/virtual-principal.yaml"))?;
    write("archivist.yaml", NARROW)?;
    write("typo.yaml", "safetyHeuristics: { alwaysReject: [system_shutdwon] }")?;

    let config = Config { directory: folder.path().into(), ..Config::default() };
    let catalogue = Catalogue::read(&config, folder.path());
    println!("-- what is wrong, and what is worth knowing");
    for fault in catalogue.faults.iter().chain(&catalogue.notes) {
        println!("{fault}");
    }

    let to_host = Facts { hosts: ["api.example".into()].into(), ..Facts::default() };
    let of_program = Facts { programs: ["reboot".into()].into(), ..Facts::default() };
    let calls = [
        ("task.create", Facts::default()),
        ("fs.remove", Facts::default()),
        ("http.request", to_host),
        ("command.run", of_program),
        ("fs.write", Facts::default()),
    ];
    for id in ["virtual-principal", "archivist"] {
        let charter = catalogue.get(id)?;
        println!("\n-- {} ({})", charter.name, charter.digest);
        println!(
            "at once: {:?}, not enforced here: {:?}",
            charter.resource_limits.at_once(),
            charter.not_enforced(&[])
        );
        for (name, facts) in &calls {
            let opinion = charter.opinion(&Action { facts: facts.clone(), ..Action::new(*name) });
            println!("{name}: {:?}, {}", opinion.verdict, opinion.reason);
        }
        println!("{}", charter.prompt().unwrap_or_default());
    }
    Ok(())
}

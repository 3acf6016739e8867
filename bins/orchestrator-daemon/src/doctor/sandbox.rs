//! Whether confined programs stay inside: by trying to get out.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_confine::{Attempt, Attempts, Confinement, Launcher, Outcome, PROBE, Report};
use orchestrator_process::{Limits, Mode, Network, Output, Process, Sandbox, Spec, Status};

use super::Finding;
use crate::config::Config;
use crate::files::DataDir;

const CHECK: &str = "sandbox";
const PROGRAMS: &str = "sandboxes of programs";
/// What is tried takes milliseconds.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Enough for a shell and what it starts.
const PROCESSES: u64 = 16;
/// Prints how many copies of itself it could start, and would go on for ever.
const BOMB: &str = "n=0; while [ $n -lt 400 ]; do sleep 30 & n=$((n+1)); done; echo unbounded; wait";

/// Of what agents name, and of what the operator names.
pub(crate) async fn of(config: &Config, data: &DataDir) -> Vec<Finding> {
    let mut findings = vec![of_commands(&config.sandbox, data).await];
    findings.extend(of_programs(config, &Report::of_this_system().missing()));
    findings.extend(super::hosts::of(config, data).await);
    findings
}

/// Programs that the operator names; nothing where there are none.
fn of_programs(config: &Config, missing: &[&str]) -> Option<Finding> {
    let mut all = config.sandboxes();
    all.retain(|(key, _)| key != "sandbox");
    if all.is_empty() {
        return None;
    }
    let with = |wanted: &dyn Fn(Mode) -> bool| {
        let some = all.iter().filter(|(_, sandbox)| wanted(sandbox.mode));
        some.map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (required, on) = (with(&|mode| mode == Mode::Required), with(&|mode| mode != Mode::Off));
    let off = with(&|mode| mode == Mode::Off);
    let lacks = missing.join(", and no ");
    if !missing.is_empty() && !required.is_empty() {
        let found = format!("this system has no {lacks}: nothing runs of {required}");
        return Some(Finding::failure(PROGRAMS, found, "use a kernel that has it, or set mode to preferred"));
    }
    if !missing.is_empty() && !on.is_empty() {
        let found = format!("this system has no {lacks}: confined in part by {on}");
        return Some(Finding::warning(PROGRAMS, found, "use a kernel that has it"));
    }
    let told = |what: &str, keys: &str| if keys.is_empty() { String::new() } else { format!("{what}{keys}") };
    let found = [told("confined by ", &on), told("not confined, for it is off: ", &off)];
    Some(Finding::ok(PROGRAMS, found.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")))
}

/// Runs what the daemon would run, confined as its commands are. An end of it is not waited for longer than some seconds.
async fn of_commands(config: &Sandbox, data: &DataDir) -> Finding {
    let launcher = Launcher::of_this_program(config.mode);
    if launcher.mode() == Mode::Off {
        let remedy = "set sandbox.mode to required, or preferred: what agents run may read the data directory";
        return Finding::warning(CHECK, "commands are not confined: sandbox.mode is off", remedy);
    }
    let missing = launcher.report().missing();
    if !missing.is_empty() {
        let found = format!("this system has no {}", missing.join(", and no "));
        return match launcher.mode() {
            Mode::Required => Finding::failure(CHECK, format!("{found}: no command runs"), "use a kernel that has it"),
            _ => Finding::warning(CHECK, format!("{found}: commands are confined in part"), "use a kernel that has it"),
        };
    }
    match tried(&launcher, config, data).await {
        Ok(attempts) => judged(&launcher, &attempts),
        Err(error) => {
            Finding::failure(CHECK, format!("it could not be tried: {error:#}"), "look into the log for the reason")
        }
    }
}

fn judged(launcher: &Launcher, attempts: &[Attempt]) -> Finding {
    let told = |wanted: Outcome| {
        let some = attempts.iter().filter(|attempt| attempt.outcome == wanted);
        some.map(|attempt| attempt.what.clone()).collect::<Vec<_>>()
    };
    let (escaped, broken) = (told(Outcome::Escaped), told(Outcome::Broken));
    let by = launcher.report();
    if !escaped.is_empty() {
        let found = format!("({by}) a confined program can: {}", escaped.join("; "));
        return Finding::failure(CHECK, found, "do not let agents run commands (tools.allow) before that is mended");
    }
    if !broken.is_empty() {
        let found = format!("({by}) a confined program cannot: {}", broken.join("; "));
        return Finding::failure(CHECK, found, "give sandbox.writable and sandbox.readable what programs need");
    }
    let stopped = told(Outcome::Stopped);
    let found = format!("({by}) stopped {} of {} ways out: {}", stopped.len(), stopped.len(), stopped.join("; "));
    match launcher.report().weaknesses() {
        weaknesses if weaknesses.is_empty() => Finding::ok(CHECK, found),
        weaknesses => {
            Finding::warning(CHECK, format!("{found}; but {}", weaknesses.join(", and ")), "use a newer kernel")
        }
    }
}

async fn tried(launcher: &Launcher, config: &Sandbox, data: &DataDir) -> anyhow::Result<Vec<Attempt>> {
    let place = tempfile::Builder::new().prefix("doctor-").tempdir_in(data.temporary()?)?;
    let listener = TcpListener::bind("127.0.0.1:0").context("no port to connect to")?;
    let own = std::env::current_exe()?;
    let mut confinement = Confinement { hidden: vec![data.path().to_owned()], ..Confinement::of(config) };
    confinement.writable.push(place.path().to_owned());
    confinement.executable.push(own.clone());
    // What the operator allows is no escape.
    (confinement.network, confinement.own_network) = (Network::None, false);
    let secrets = [data.admin_token(), data.audit_key(), data.path().join("jwt.key"), data.path().join("node.id")];
    let attempts = Attempts {
        read: secrets.into_iter().filter(|path| path.is_file()).collect(),
        write: vec![data.path().join("doctor.probe"), "/usr/doctor.probe".into()],
        connect: listener.local_addr()?,
        other: std::process::id(),
        allowed: place.path().join("probe"),
        beyond: None,
    };
    let probe = Spec::new(&own).args([PROBE.to_owned(), attempts.to_argument()]);
    let (printed, _) = run(launcher, probe, &confinement, place.path()).await?;
    let mut attempts: Vec<Attempt> = serde_json::from_str(&printed).with_context(|| format!("it said: {printed}"))?;
    attempts.push(of_processes(launcher, confinement, place.path()).await?);
    Ok(attempts)
}

async fn of_processes(launcher: &Launcher, mut confinement: Confinement, place: &Path) -> anyhow::Result<Attempt> {
    confinement.limits.processes = Some(PROCESSES);
    let bomb = Spec::new("/bin/sh").args(["-c", BOMB]);
    let (printed, status) = run(launcher, bomb, &confinement, place).await?;
    // Processes of root are counted now and then: many may have begun by then, and all are ended.
    let is_refused = status != Status::TimedOut && !printed.contains("unbounded");
    let is_stopped = status == Status::ProcessLimit || is_refused;
    let outcome = if is_stopped { Outcome::Stopped } else { Outcome::Escaped };
    Ok(Attempt { what: "start hundreds of processes".to_owned(), outcome, detail: format!("{status:?}") })
}

async fn run(
    launcher: &Launcher,
    spec: Spec,
    confinement: &Confinement,
    place: &Path,
) -> anyhow::Result<(String, Status)> {
    let limits = Limits { wall_time: Some(TIME_MAX), grace: Duration::ZERO, ..Limits::default() };
    let spec = spec.working_directory(place).limits(limits);
    let mut process = Process::spawn(launcher.confine(spec, confinement)?)?;
    let mut printed = String::new();
    while let Some(output) = process.next().await {
        if let Output::Line { text, .. } = output {
            printed.push_str(&text);
        }
    }
    Ok((printed, process.wait().await.status))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Severity;

    #[track_caller]
    fn check(mode: &str, missing: &[&str], severity: Severity, says: &str) {
        let server = json!({ "command": ["x"], "sandbox": { "mode": mode } });
        let config = serde_json::from_value(json!({ "mcp": { "servers": { "s": server } } })).unwrap();
        let finding = of_programs(&config, missing).unwrap();
        assert_eq!(finding.severity, severity, "{finding}");
        assert!(finding.found.contains(says) && finding.found.contains("mcp.servers.s.sandbox"), "{finding}");
    }

    #[test]
    fn programs_that_must_be_confined_and_cannot_be_are_failures_that_name_the_key() {
        check("required", &["Landlock"], Severity::Failure, "nothing runs of");
        check("preferred", &["Landlock"], Severity::Warning, "in part");
        check("off", &["Landlock"], Severity::Ok, "not confined");
        check("required", &[], Severity::Ok, "confined by");
        assert!(of_programs(&Config::default(), &["Landlock"]).is_none());
    }
}

//! `orchestrator doctor`

use std::path::PathBuf;
use std::process::Command;

use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::ConnectionArgs;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::{Out, Tone};
use crate::show::text;
use crate::{connection, sibling};

/// Between this machine's clock and the daemon's, in milliseconds; the way there and back is in it.
const SKEW_MAX: u64 = 5_000;

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// The configuration of the daemon on this machine [default: as the daemon finds it]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file with variables for it
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Asks no daemon, only looks at this machine
    #[arg(long)]
    offline: bool,
}

/// Ends with 1 if a check failed; warnings do not count.
pub(crate) async fn run(args: &DoctorArgs, connection: &ConnectionArgs, out: &Out) -> Result<(), Failure> {
    let mut findings = Vec::new();
    // An address names a daemon that may be elsewhere: then what is here is not what was asked about.
    if connection.url.is_none() {
        findings.extend(machine(args, connection)?);
    }
    if !args.offline {
        findings.extend(daemon(connection, out).await);
    }
    let failures = findings.iter().filter(|finding| text(finding, "severity") == "failure").count();
    let said = findings.iter().map(|finding| line(finding, out)).collect::<Vec<_>>().join("\n");
    let ids =
        findings.iter().map(|finding| format!("{} {}", text(finding, "severity"), text(finding, "check"))).collect();
    out.show(&Answer { json: json!({ "healthy": failures == 0, "findings": findings }), text: said, ids })?;
    match failures {
        0 => Ok(()),
        1 => Err(Failure::failed("1 check failed")),
        _ => Err(Failure::failed(format!("{failures} checks failed"))),
    }
}

/// The daemon's program knows its configuration and its files; it looks without starting.
fn machine(args: &DoctorArgs, connection: &ConnectionArgs) -> Result<Vec<Value>, Failure> {
    let program = sibling::daemon()?;
    let mut command = Command::new(&program);
    command.args(["doctor", "--json"]);
    for (flag, path) in [("--config", args.config.as_deref()), ("--env-file", args.env_file.as_deref())] {
        command.args(path.into_iter().flat_map(|path| [flag.as_ref(), path.as_os_str()]));
    }
    if let Some(path) = connection.given_data_dir() {
        command.arg("--data-dir").arg(path);
    }
    let output =
        command.output().map_err(|error| Failure::failed(format!("cannot start {}: {error}", program.display())))?;
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Failure::failed(format!("{} ended ({}): {said}", program.display(), output.status))
    })?;
    Ok(findings.into_iter().map(|finding| from("machine", finding)).collect())
}

/// What the running daemon says; that none runs is worth a word, not a failure, unless one was named.
async fn daemon(connection: &ConnectionArgs, out: &Out) -> Vec<Value> {
    let finding = match examine(connection, out).await {
        Ok(findings) => return findings,
        Err(failure) if failure.is_unreachable() && connection.url.is_none() => {
            finding("daemon", "ok", format!("none runs ({})", failure.message()), None)
        }
        Err(failure) => finding("daemon", "failure", failure.message().to_owned(), failure.remedy()),
    };
    vec![from("daemon", finding)]
}

async fn examine(connection: &ConnectionArgs, out: &Out) -> Result<Vec<Value>, Failure> {
    let daemon = Daemon { client: connection::connect(connection).await?, out: out.clone() };
    let report = daemon.call("daemon.doctor", json!({})).await;
    daemon.client.close().await;
    let mut report = report?;
    let mut findings = vec![finding("daemon", "ok", "it runs, and answers".to_owned(), None), clock(&report)];
    if let Value::Array(theirs) = report["findings"].take() {
        findings.extend(theirs);
    }
    Ok(findings.into_iter().map(|finding| from("daemon", finding)).collect())
}

fn clock(report: &Value) -> Value {
    let Ok(theirs) = serde_json::from_value::<Timestamp>(report["now"].clone()) else {
        return finding(
            "clock of the daemon",
            "warning",
            "it does not tell".to_owned(),
            Some("use programs of one version"),
        );
    };
    let apart = theirs.millis().abs_diff(SystemClock.now().millis());
    let found = format!("{apart} ms from this machine's");
    match apart {
        0..=SKEW_MAX => finding("clock of the daemon", "ok", found, None),
        _ => finding(
            "clock of the daemon",
            "failure",
            found,
            Some("keep both clocks by NTP: tokens end by the daemon's"),
        ),
    }
}

fn finding(check: &str, severity: &str, found: String, remedy: Option<&str>) -> Value {
    let mut finding = json!({ "check": check, "severity": severity, "found": found });
    if let Some(remedy) = remedy {
        finding["remedy"] = Value::from(remedy);
    }
    finding
}

fn from(source: &str, mut finding: Value) -> Value {
    finding["source"] = Value::from(source);
    finding
}

fn line(finding: &Value, out: &Out) -> String {
    let severity = text(finding, "severity");
    let tone = match severity {
        "ok" => Tone::Good,
        "warning" => Tone::Waiting,
        _ => Tone::Bad,
    };
    let word = out.paint(&format!("{severity:<8}"), tone);
    let mut said = format!("{word} {}: {}", text(finding, "check"), text(finding, "found"));
    if let Some(remedy) = finding["remedy"].as_str() {
        said.push_str(&format!("\n         {remedy}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_is_a_failure() {
        let now = SystemClock.now();
        let severity = |apart: i64| clock(&json!({ "now": Timestamp(now.millis() + apart) }))["severity"].clone();
        assert_eq!([severity(0), severity(-600_000), severity(600_000)], ["ok", "failure", "failure"]);
        assert_eq!(clock(&json!({}))["severity"], "warning");
    }
}

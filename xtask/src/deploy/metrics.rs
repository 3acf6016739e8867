//! What a running daemon shows to Prometheus, and whether alerts and dashboard ask for nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::started::{Started, signal};
use super::tools::Tools;
use super::{Places, promql, read};
use crate::findings::{self, Finding};
use crate::page;
use crate::run::Run;

const ALERTS: &str = "deploy/prometheus/alerts.yml";
const ALERTS_TEST: &str = "deploy/prometheus/alerts_test.yml";
const DASHBOARD: &str = "deploy/grafana/orchestrator.json";
const RUNBOOKS: &str = "docs/runbooks.md";
/// Made by Prometheus itself.
const OF_PROMETHEUS: [&str; 1] = ["up"];
/// Fewer would mean that the file was not understood.
const EXPRESSIONS_MIN: usize = 15;

pub(super) fn check(tools: &Tools, places: &Places) -> Result<()> {
    let page = page(places)?;
    let file = places.made.join("metrics.txt");
    fs::write(&file, &page)?;
    Run::new(&tools.promtool).args(["check", "metrics"]).stdin(&file)?.run()?;
    let names = names(&page);
    let alerts = read(&places.root.join(ALERTS))?;
    let mut found = unknown(ALERTS, &names, &expressions_of_rules(&alerts)?);
    let dashboard: Value = serde_json::from_str(&read(&places.root.join(DASHBOARD))?).context(DASHBOARD)?;
    let mut expressions = Vec::new();
    expressions_of_panels(&dashboard, &mut expressions);
    ensure!(expressions.len() >= EXPRESSIONS_MIN, "{DASHBOARD}: only {} expressions were found", expressions.len());
    found.extend(unknown(DASHBOARD, &names, &expressions));
    found.extend(unexplained(&alerts, &read(&places.root.join(RUNBOOKS))?, &read(&places.root.join(ALERTS_TEST))?));
    findings::report("metrics", found)?;
    println!("metrics: {} names, asked for by alerts and dashboard: none that is not there", names.len());
    Ok(())
}

/// The metrics of a daemon that has worked: the demonstration's.
fn page(places: &Places) -> Result<String> {
    let data = places.made.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let mut command = Command::new(places.programs.join("orchestrator-daemon"));
    command.args(["demo", "--port", "0", "--data-dir"]).arg(&data).current_dir(&places.deploy).env("METRICS_PORT", "0");
    let mut daemon = Started::new(command.stderr(Stdio::null()))?;
    let told = daemon.line_with("metrics on http://")?;
    daemon.line_with("The daemon keeps serving")?;
    let (_, url) = told.split_once("http://").context("an address")?;
    let (address, path) = url.split_once('/').context("a path")?;
    let page = page::get(address, path)?;
    signal("TERM", daemon.id())?;
    let status = daemon.ended()?;
    ensure!(status.success(), "the daemon ended with {status}");
    Ok(page)
}

fn names(page: &str) -> BTreeSet<String> {
    let samples = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

/// Every rule says its expression in one line, so that this needs no reader of YAML.
fn expressions_of_rules(text: &str) -> Result<Vec<String>> {
    let of = |key: &str| {
        text.lines().filter_map(|line| line.trim_start().strip_prefix(key)).map(str::trim).collect::<Vec<_>>()
    };
    let expressions = of("expr:");
    ensure!(expressions.len() == of("- alert:").len(), "{ALERTS}: every alert has one expression, in one line");
    ensure!(expressions.len() >= EXPRESSIONS_MIN, "{ALERTS}: only {} alerts were found", expressions.len());
    Ok(expressions.into_iter().map(|text| text.trim_matches('\'').to_owned()).collect())
}

fn expressions_of_panels(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            found.extend(entries.get("expr").and_then(Value::as_str).map(str::to_owned));
            entries.values().for_each(|value| expressions_of_panels(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| expressions_of_panels(value, found)),
        _ => {}
    }
}

fn unknown(place: &str, names: &BTreeSet<String>, expressions: &[String]) -> Vec<Finding> {
    let asked = expressions.iter().flat_map(|expression| promql::metrics(expression));
    let missing = asked.filter(|name| !names.contains(name) && !OF_PROMETHEUS.contains(&name.as_str()));
    missing.map(|name| Finding::new(place, format!("the daemon has no metric `{name}`"))).collect()
}

/// Whoever is woken wants to know what to do, and that the alert works.
fn unexplained(alerts: &str, runbooks: &str, tests: &str) -> Vec<Finding> {
    let names = alerts.lines().filter_map(|line| line.trim_start().strip_prefix("- alert: "));
    let mut found = Vec::new();
    for name in names {
        if !runbooks.lines().any(|line| line == format!("## {name}")) {
            found.push(Finding::new(RUNBOOKS, format!("has no section `## {name}`")));
        }
        if !alerts.contains(&format!("runbook: {RUNBOOKS}#{}\n", name.to_lowercase())) {
            found.push(Finding::new(ALERTS, format!("{name} does not name its runbook")));
        }
        for case in ["fires", "is silent"] {
            if !tests.contains(&format!("name: {name} {case}\n")) {
                found.push(Finding::new(ALERTS_TEST, format!("no test in which {name} {case}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP a_total Something.\n# TYPE a_total counter\na_total{b=\"c\"} 1\nd 2\n";

    #[test]
    fn a_metric_that_is_not_there_is_found() {
        let found = unknown("place", &names(PAGE), &["rate(a_total[5m]) > d or up".to_owned(), "d / e".to_owned()]);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["place: the daemon has no metric `e`"]);
    }

    #[test]
    fn expressions_of_panels_are_found_wherever_they_are() {
        let mut found = Vec::new();
        expressions_of_panels(
            &serde_json::json!({"panels": [{"targets": [{"expr": "a"}]}, {"panels": [{"expr": "b"}]}]}),
            &mut found,
        );
        assert_eq!(found, ["a", "b"]);
    }

    #[test]
    fn an_alert_without_a_runbook_or_a_test_is_found() {
        let alerts = "- alert: A\n  runbook: docs/runbooks.md#a\n";
        assert_eq!(unexplained(alerts, "## A\n", "name: A fires\nname: A is silent\n"), []);
        assert_eq!(unexplained(alerts, "## B\n", "name: A fires\n").len(), 2);
        assert_eq!(unexplained("- alert: A\n", "## A\n", "name: A fires\nname: A is silent\n").len(), 1);
    }
}

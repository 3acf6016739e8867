//! What is said twice in a compose file agrees, and the daemon understands the variables that it is given there.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{Places, read};
use crate::findings::{self, Finding};
use crate::run::Run;

/// The service that is built here.
const OURS: &str = "daemon";
const SECRETS: &str = "/run/secrets/";

#[derive(Debug, Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    #[serde(default)]
    secrets: BTreeMap<String, Value>,
    #[serde(default)]
    volumes: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Service {
    #[serde(default)]
    build: Option<Value>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    restart: Option<String>,
    #[serde(default)]
    healthcheck: Option<Value>,
    #[serde(default)]
    depends_on: BTreeMap<String, Value>,
    #[serde(default)]
    environment: BTreeMap<String, Value>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
}

pub(super) fn check(places: &Places) -> Result<()> {
    let mut found = Vec::new();
    for (name, is_for_good) in [("docker-compose.yml", true), ("docker-compose.dev.yml", false)] {
        let text = read(&places.deploy.join(name))?;
        let compose: Compose = serde_saphyr::from_str(&text).with_context(|| name.to_owned())?;
        found.extend(faults(name, &compose, is_for_good));
        if let Some(service) = compose.services.get(OURS) {
            start_dry(places, service).with_context(|| format!("{name}: {OURS}"))?;
        }
    }
    findings::report("compose", found)
}

fn faults(file: &str, compose: &Compose, is_for_good: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, service) in &compose.services {
        let mut fault = |problem: String| found.push(Finding::new(format!("deploy/{file}: {name}"), problem));
        if service.image.is_none() && service.build.is_none() {
            fault("has neither image nor build".to_owned());
        }
        // The image that is built here brings its own.
        if service.healthcheck.is_none() && service.build.is_none() {
            fault("has no healthcheck".to_owned());
        }
        if is_for_good && service.restart.is_none() {
            fault("has no restart policy".to_owned());
        }
        for (other, condition) in &service.depends_on {
            if !compose.services.contains_key(other) || condition["condition"] != "service_healthy" {
                fault(format!("waits for `{other}`, which is not there, or not until it is healthy"));
            }
        }
        for secret in service.secrets.iter().filter(|secret| !compose.secrets.contains_key(*secret)) {
            fault(format!("uses the secret `{secret}`, which is not defined"));
        }
        for port in service.ports.iter().filter(|port| !port.starts_with("127.0.0.1:")) {
            fault(format!("opens {port} to the network"));
        }
        let named = service
            .volumes
            .iter()
            .filter_map(|volume| volume.split(':').next())
            .filter(|name| !name.starts_with(['.', '/']));
        for volume in named.filter(|volume| !compose.volumes.contains_key(*volume)) {
            fault(format!("uses the volume `{volume}`, which is not defined"));
        }
        for (variable, value) in &service.environment {
            let value = value.as_str().unwrap_or_default();
            let secret = value.strip_prefix(SECRETS);
            if secret.is_some_and(|secret| !service.secrets.iter().any(|given| given == secret)) {
                fault(format!("{variable} names a secret that it is not given"));
            }
            let is_secret = ["PASSWORD", "SECRET", "TOKEN", "DATABASE_URL"].iter().any(|word| variable.contains(word));
            if is_secret && secret.is_none() {
                fault(format!("{variable} stands there for everybody to read: give it by a file"));
            }
        }
    }
    found
}

/// Whether the daemon takes these variables; secrets come from files that stand in for the operator's.
fn start_dry(places: &Places, service: &Service) -> Result<()> {
    let directory = places.made.join("secrets");
    fs::create_dir_all(&directory)?;
    let mut run = Run::new(places.programs.join("orchestrator-daemon")).arg("--check-config").within(&places.made);
    for (name, value) in &service.environment {
        let value = value.as_str().context("every variable is a text")?;
        let Some(secret) = value.strip_prefix(SECRETS) else {
            run = run.env(name, value);
            continue;
        };
        let content = match secret {
            "database-url" => "postgres://orchestrator:stand-in@postgres:5432/orchestrator",
            "jwt-secret" => "5d1f0e7c9ab34482be6015c7d82f93a6",
            other => bail!("what the secret `{other}` looks like is not known here"),
        };
        let file = directory.join(secret);
        fs::write(&file, content)?;
        run = run.env(name, file);
    }
    run.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "services:\n  daemon: { build: ., restart: always, depends_on: { db: { condition: service_healthy } }, \
         secrets: [key], environment: { KEY_FILE: /run/secrets/key }, ports: [\"127.0.0.1:1:1\"] }\n  \
         db: { image: x, restart: always, healthcheck: { test: y }, volumes: [\"v:/v\"] }\nsecrets: { key: {} }\nvolumes: { v: {} }\n";

    #[track_caller]
    fn check(from: &str, to: &str, expected: &str) {
        let compose: Compose = serde_saphyr::from_str(&GOOD.replace(from, to)).unwrap();
        let found = faults("x", &compose, true);
        assert!(found.len() == 1 && found[0].problem.contains(expected), "{to}: {found:?}");
    }

    #[test]
    fn what_does_not_agree_is_found() {
        let good: Compose = serde_saphyr::from_str(GOOD).unwrap();
        assert_eq!(faults("x", &good, true), []);
        check("healthcheck: { test: y }, ", "", "no healthcheck");
        check("build: ., restart: always", "build: .", "no restart policy");
        check("depends_on: { db:", "depends_on: { other:", "waits for `other`");
        check("service_healthy", "service_started", "not until it is healthy");
        check("secrets: { key: {} }\n", "", "is not defined");
        check("volumes: { v: {} }\n", "", "the volume `v`");
        check("127.0.0.1:1:1", "1:1", "to the network");
        check("KEY_FILE: /run/secrets/key", "DB_PASSWORD: hunter2", "for everybody to read");
        check("/run/secrets/key", "/run/secrets/other", "a secret that it is not given");
    }
}

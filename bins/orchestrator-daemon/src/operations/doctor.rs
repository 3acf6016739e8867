use std::fs;
use std::time::Duration;

use orchestrator_auth::{Auth, TokenKind};
use orchestrator_events_redis::RedisRelay;
use orchestrator_gateway::Readiness as _;
use orchestrator_mcp::Servers;
use orchestrator_memory::Memories;
use orchestrator_notify::Notifier;
use orchestrator_rpc::{Call, Code, Credential, Error, NoParams, Operation, Scope, Table};
use orchestrator_security::Emergency;
use orchestrator_skills::Skills;
use orchestrator_sql::Database;
use orchestrator_vocab::{Clock as _, OrgId, SystemClock, Timestamp};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;

use crate::adapters::{Llms, Loops, Roster};
use crate::configuration::Configuration;
use crate::doctor::{self, Finding, Severity};
use crate::files::DataDir;
use crate::operations::StatusOf;

/// An API key that ends sooner is worth a word.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Tokens that are looked at.
const TOKENS_MAX: u32 = 1_000;

/// What `daemon.doctor` looks at.
#[derive(Clone)]
pub(crate) struct Doctor {
    pub(super) database: Database,
    pub(super) data: DataDir,
    auth: Auth,
    loops: Loops,
    relay: Option<RedisRelay>,
    roster: Roster,
    servers: Servers,
    skills: Skills,
    memories: Memories,
    emergency: Emergency,
    notifier: Notifier,
    configuration: Configuration,
}

/// What a running daemon knows about itself.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// No finding is a failure.
    healthy: bool,
    /// The daemon's clock, to compare with one's own.
    now: Timestamp,
    findings: Vec<Finding>,
}

/// `daemon.doctor`: it tells of files and of all organisations, so it is the operator's alone.
pub(super) fn table(doctor: Doctor) -> Table {
    let examine = move |call: Call, NoParams {}| {
        let doctor = doctor.clone();
        async move {
            if call.org() != OrgId::LOCAL {
                return Err(Error::forbidden("only the operator's organisation may examine the daemon"));
            }
            Ok(doctor.examine().await)
        }
    };
    let summary = "Examines the running daemon: database, disk, tokens, parts, Redis (for the operator's organisation)";
    let operation = Operation::new("daemon.doctor", Scope::Admin, summary, examine);
    Table::new().with(operation.read_only().fails_with([Code::Forbidden]))
}

impl Doctor {
    pub(crate) fn new(
        database: &Database,
        data: &DataDir,
        auth: &Auth,
        status: &StatusOf,
        (roster, servers, notifier, llms): (&Roster, &Servers, &Notifier, &Llms),
        configuration: &Configuration,
    ) -> Self {
        Self {
            notifier: notifier.clone(),
            configuration: configuration.clone(),
            servers: servers.clone(),
            skills: llms.skills.files.skills.clone(),
            memories: llms.recorder.memories.clone(),
            emergency: status.gauges.emergency.clone(),
            roster: roster.clone(),
            database: database.clone(),
            data: data.clone(),
            auth: auth.clone(),
            loops: status.loops.clone(),
            relay: status.gauges.relay.clone(),
        }
    }

    async fn examine(&self) -> Report {
        let mut findings = vec![self.parts(), doctor::of_emergency(&self.emergency), doctor::disk(self.data.path())];
        findings.extend(doctor::of_charters(&self.roster.charters().catalogue()));
        findings.extend(doctor::of_agents(&self.roster.catalogue()));
        findings.extend(doctor::of_skills(&self.skills.catalogue(), &self.skills.list()));
        findings.extend(doctor::skills_without_room(&self.skills));
        findings.extend(doctor::skills_of_agents(&self.roster.catalogue(), &self.skills.catalogue()));
        findings.extend(doctor::of_servers(&self.servers.list()));
        findings.extend(doctor::of_notifications(&self.notifier.list()));
        findings.extend(self.embedder().await);
        findings.extend(doctor::of_store(&self.database).await);
        findings.extend(self.relay.as_ref().map(|relay| doctor::of_redis(&relay.health())));
        findings.extend(doctor::of_sandboxes(&self.configuration.current().running, &self.data).await);
        findings.push(self.administrator().await);
        findings.push(self.tokens().await);
        let healthy = findings.iter().all(|finding| finding.severity != Severity::Failure);
        Report { healthy, now: SystemClock.now(), findings }
    }

    /// Only one on this machine: to ask a provider costs money.
    async fn embedder(&self) -> Option<Finding> {
        let is_local = self.configuration.current().running.memory.embedder.local.is_some();
        let embedder = self.memories.embedder().filter(|_| is_local)?;
        Some(doctor::of_embedder(embedder).await)
    }

    fn parts(&self) -> Finding {
        match self.loops.unready() {
            None => Finding::ok("parts", "all of them run"),
            Some(problem) => Finding::failure("parts", problem, "look into the log for the reason; docs/runbooks.md"),
        }
    }

    /// Whether the token in the data directory opens the door.
    async fn administrator(&self) -> Finding {
        let path = self.data.admin_token();
        let remedy = format!("delete {} and start the daemon again: it makes another", path.display());
        let Ok(text) = fs::read_to_string(&path) else {
            return Finding::warning("administrator token", format!("{} cannot be read", path.display()), remedy);
        };
        let credential = Credential::Bearer(SecretString::from(text.trim().to_owned()));
        match self.auth.authenticate(&credential).await {
            Ok(_) => Finding::ok("administrator token", "it is accepted"),
            Err(error) => Finding::failure("administrator token", format!("it is not accepted: {error}"), remedy),
        }
    }

    /// API keys of the operator's organisation that will end soon.
    async fn tokens(&self) -> Finding {
        let tokens = match self.auth.tokens(OrgId::LOCAL, None, TOKENS_MAX).await {
            Ok(tokens) => tokens,
            Err(error) => return Finding::failure("tokens", error.to_string(), "look into the log for the reason"),
        };
        let now = SystemClock.now();
        // A JWT is meant to end soon.
        let keys = tokens.iter().filter(|token| token.kind == TokenKind::ApiKey);
        let valid = keys.filter(|token| token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now));
        let (mut count, mut ending) = (0, Vec::new());
        for token in valid {
            count += 1;
            if token.expires_at.is_some_and(|end| end.since(now) < EXPIRES_SOON) {
                ending.push(token.name.as_deref().unwrap_or(&token.id).to_owned());
            }
        }
        match ending.is_empty() {
            true => Finding::ok("tokens", format!("{count} valid API keys, none ends within 7 days")),
            false => {
                let found = format!("{} of {count} API keys end within 7 days: {}", ending.len(), ending.join(", "));
                Finding::warning("tokens", found, "issue others in time: orchestrator token issue")
            }
        }
    }
}

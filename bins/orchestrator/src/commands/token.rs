//! `orchestrator token …`

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use comfy_table::Cell;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{ago, away, text, words};
use crate::values;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and prints it, this once
    Issue {
        /// Who will use it
        subject: String,
        /// What it may do: read, write, approve, teams or admin (repeatable)
        #[arg(long = "scope", value_name = "SCOPE", default_value = "read", value_delimiter = ',')]
        scopes: Vec<String>,
        /// An API key can be revoked by id and may last for ever; a JWT carries who and what
        #[arg(long, value_enum, default_value_t = Kind::ApiKey)]
        kind: Kind,
        /// How long it lasts
        #[arg(long, value_name = "TIME", value_parser = values::span)]
        expires_in: Option<Duration>,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// For another organisation (the operator's own may)
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
    },
    /// Lists tokens, without their secrets
    #[command(visible_alias = "ls")]
    List {
        /// Tokens at most
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Ends a token and its open connections
    Revoke {
        #[arg(value_name = "TOKEN-ID")]
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    ApiKey,
    Jwt,
}

pub(crate) async fn run(daemon: &Daemon, command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Issue { subject, scopes, kind, expires_in, name, org } => {
            let scopes: Vec<String> = scopes.iter().map(|scope| whole(scope)).collect();
            let params = Params::new()
                .with("kind", if matches!(kind, Kind::Jwt) { "jwt" } else { "apiKey" })
                .with("subject", subject)
                .with("scopes", scopes)
                .maybe("expiresInSeconds", expires_in.map(|span| span.as_secs()))
                .maybe("name", name)
                .maybe("orgId", org);
            issue(daemon, params).await
        }
        TokenCommand::List { limit } => {
            let tokens = daemon.items("auth.token.list", Params::new(), limit).await?;
            let header = ["TOKEN ID", "STATE", "KIND", "SUBJECT", "SCOPES", "AGE", "ENDS", "USED", "NAME"];
            daemon.out.show(&Answer::list(&daemon.out, tokens, &header, "no tokens", row))
        }
        TokenCommand::Revoke { id } => {
            let answer = daemon.call("auth.token.revoke", Params::new().with("tokenId", &id)).await?;
            daemon.out.show(&Answer::told(answer, format!("{id} revoked")))
        }
    }
}

/// `read` is short for `daemon.read`.
fn whole(scope: &str) -> String {
    if scope.contains('.') { scope.to_owned() } else { format!("daemon.{scope}") }
}

/// The token alone goes to standard output, so that it can go into a file or a variable.
async fn issue(daemon: &Daemon, params: Params) -> Result<(), Failure> {
    let issued = daemon.call("auth.token.issue", params).await?;
    let until = match away(&issued["expiresAt"]) {
        until if until.is_empty() => "for ever".to_owned(),
        until => format!("ends {until}"),
    };
    let (id, scopes) = (text(&issued, "tokenId"), words(&issued["scopes"]));
    daemon.out.note(&format!("token {id} for {} ({scopes}), {until}; it is not shown again", text(&issued, "subject")));
    let token = text(&issued, "token").to_owned();
    daemon.out.show(&Answer { ids: vec![token.clone()], ..Answer::told(issued, token) })
}

fn row(token: &Value) -> Vec<Cell> {
    let state = if token["revokedAt"].is_null() { "good" } else { "revoked" };
    vec![
        Cell::new(text(token, "id")),
        toned(state),
        Cell::new(text(token, "kind")),
        Cell::new(text(token, "subject")),
        Cell::new(words(&token["scopes"])),
        Cell::new(ago(&token["createdAt"])),
        Cell::new(away(&token["expiresAt"])),
        Cell::new(ago(&token["lastUsedAt"])),
        Cell::new(text(token, "name")),
    ]
}

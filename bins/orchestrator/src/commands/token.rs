//! `orchestrator token …`

mod keys;
mod secret_file;

use std::path::PathBuf;
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

use secret_file::SecretFile;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and prints it, this once
    Issue {
        /// Who will use it
        subject: String,
        /// What it may do: read, write, approve, teams or admin (repeatable)
        #[arg(long = "scope", value_name = "SCOPE", default_value = "read", value_delimiter = ',')]
        scopes: Vec<String>,
        /// An API key may last for ever; a JWT carries who and what [default: api-key, or jwt with --refresh]
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// Also gets a refresh token and writes it into this file, for `token refresh`
        #[arg(long, value_name = "FILE")]
        refresh: Option<PathBuf>,
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
    /// Takes the refresh token in a file for an access token, which is printed, and the next, which takes its place
    ///
    /// No other credential is needed. A refresh token is good once: whoever shows a copy of an old one ends them all.
    Refresh {
        /// The file that `token issue --refresh` wrote
        file: PathBuf,
    },
    /// Logs out: ends the refresh token in a file with all that came of it, and deletes the file
    ///
    /// No other credential is needed. A token that does not count any more is as good as ended.
    Logout {
        /// The file that `token issue --refresh` wrote
        file: PathBuf,
    },
    /// Changes what an API key, or a family of refresh tokens, may do; its connections authenticate again
    Update {
        #[arg(value_name = "TOKEN-ID")]
        id: String,
        /// What it may do from now on: read, write, approve, teams or admin (repeatable)
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<String>,
    },
    /// Ends a token, or a family of refresh tokens, and its open connections
    Revoke {
        #[arg(value_name = "TOKEN-ID")]
        id: String,
    },
    /// Lists the keys that tokens are signed with (the operator's own may)
    Keys,
    /// Signs with a new key from now on; tokens of the earlier ones still count (the operator's own may)
    Rotate,
    /// Ends what a key signed, and its open connections (the operator's own may)
    Retire {
        #[arg(value_name = "KEY-ID")]
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
        TokenCommand::Issue { subject, scopes, kind, refresh, expires_in, name, org } => {
            let kind = kind.unwrap_or(if refresh.is_some() { Kind::Jwt } else { Kind::ApiKey });
            let params = Params::new()
                .with("kind", if matches!(kind, Kind::Jwt) { "jwt" } else { "apiKey" })
                .with("subject", subject)
                .with("scopes", whole(&scopes))
                .flag("refresh", refresh.is_some())
                .maybe("expiresInSeconds", expires_in.map(|span| span.as_secs()))
                .maybe("name", name)
                .maybe("orgId", org);
            let file = refresh.map(SecretFile::beside).transpose()?;
            let issued = daemon.call("auth.token.issue", params).await?;
            show(daemon, issued, file)
        }
        TokenCommand::Refresh { file } => {
            let token = secret_file::read(&file)?;
            // Made before the call: afterwards there is no way back.
            let file = SecretFile::beside(file)?;
            let issued = daemon.call("auth.token.refresh", Params::new().with("refreshToken", token)).await?;
            show(daemon, issued, Some(file))
        }
        TokenCommand::Logout { file } => {
            let token = secret_file::read(&file)?;
            let answer = daemon.call("auth.token.logout", Params::new().with("refreshToken", token)).await?;
            secret_file::remove(&file)?;
            daemon.out.show(&Answer::told(answer, format!("logged out; {} is deleted", file.display())))
        }
        TokenCommand::Update { id, scopes } => {
            let params = Params::new().with("tokenId", &id).with("scopes", whole(&scopes));
            let answer = daemon.call("auth.token.update", params).await?;
            let told = format!("{id} may {} from now on", words(&answer["scopes"]));
            daemon.out.show(&Answer::told(answer, told))
        }
        TokenCommand::Keys => keys::list(daemon).await,
        TokenCommand::Rotate => keys::rotate(daemon).await,
        TokenCommand::Retire { id } => keys::retire(daemon, &id).await,
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
fn whole(scopes: &[String]) -> Vec<String> {
    let whole = |scope: &String| if scope.contains('.') { scope.clone() } else { format!("daemon.{scope}") };
    scopes.iter().map(whole).collect()
}

/// The token alone goes to standard output, so that it can go into a file or a variable; a refresh token goes into its
/// file and, like everything, into `--json`.
fn show(daemon: &Daemon, issued: Value, file: Option<SecretFile>) -> Result<(), Failure> {
    if let Some(file) = file {
        let path = file.keep(text(&issued, "refreshToken"))?;
        daemon.out.note(&format!("its successor is in {}: `orchestrator token refresh` takes it", path.display()));
    }
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

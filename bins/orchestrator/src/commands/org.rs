//! `orchestrator org …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{ago, text};

#[derive(Debug, Subcommand)]
pub(crate) enum OrgCommand {
    /// Creates an organisation; its first token comes from: orchestrator token issue --org
    Create {
        name: String,
        /// Creating again under the same key gives the first organisation
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Lists the organisations you may see
    #[command(visible_alias = "ls")]
    List {
        /// Organisations at most
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: OrgCommand) -> Result<(), Failure> {
    match command {
        OrgCommand::Create { name, idempotency_key } => {
            let params = Params::new().with("name", name).maybe("idempotencyKey", idempotency_key);
            let org = daemon.call("org.create", params).await?;
            let id = text(&org, "id");
            let next = format!("orchestrator token issue NAME --org {id} --scope admin");
            let said = format!("{id} {}\nits first token: {next}", text(&org, "name"));
            daemon.out.show(&Answer::told(org, said))
        }
        OrgCommand::List { limit } => {
            let orgs = daemon.items("org.list", Params::new(), limit).await?;
            let row = |org: &Value| {
                vec![Cell::new(text(org, "id")), Cell::new(ago(&org["createdAt"])), Cell::new(text(org, "name"))]
            };
            daemon.out.show(&Answer::list(&daemon.out, orgs, &["ORG", "AGE", "NAME"], "no organisations", row))
        }
    }
}

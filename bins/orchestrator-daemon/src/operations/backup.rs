use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_sql::Database;
use orchestrator_vocab::OrgId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::DataDir;
use crate::operations::internal;

/// The longest name of a backup, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// The parameters of `daemon.backup`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BackupParams {
    /// Letters, digits, `.`, `_` and `-`; the file is `<data dir>/backups/<name>.db` and must be new.
    #[schemars(length(max = 100), regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"))]
    name: String,
}

/// The copy that was written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Backup {
    /// On the daemon's machine.
    path: String,
    bytes: u64,
}

/// `daemon.backup`: it holds the rows of all organisations, so it is the operator's alone.
pub(super) fn table(database: Database, data: DataDir) -> Table {
    let backup = move |call: Call, params: BackupParams| {
        let (database, data) = (database.clone(), data.clone());
        async move { backup(&database, &data, &call, &params.name).await }
    };
    let summary = "Copies the database while it is being used (SQLite; for the operator's organisation)";
    Table::new().with(
        Operation::new("daemon.backup", Scope::Admin, summary, backup).fails_with([Code::Conflict, Code::Forbidden]),
    )
}

async fn backup(database: &Database, data: &DataDir, call: &Call, name: &str) -> Result<Backup, Error> {
    if call.org() != OrgId::LOCAL {
        return Err(Error::forbidden("only the operator's organisation may copy the database"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.bytes().all(plain) {
        let expected = "1 to 100 letters, digits, `.`, `_` or `-`, not starting with `.`";
        return Err(Error::invalid_field("name", format!("expected {expected}")));
    }
    let directory = DataDir::prepare(&data.backups()).map_err(internal)?;
    let file = directory.path().join(format!("{name}.db"));
    if file.exists() {
        return Err(Error::conflict(format!("there is a backup named `{name}` already")).with_field("name"));
    }
    database.backup_to(&file).await.map_err(|error| match error {
        orchestrator_sql::Error::Unsupported(text) => Error::conflict(text),
        other => Error::internal(other),
    })?;
    let bytes = std::fs::metadata(&file).map_err(Error::internal)?.len();
    Ok(Backup { path: file.display().to_string(), bytes })
}

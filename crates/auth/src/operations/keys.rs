use orchestrator_rpc::{Call, Code, Error, NoParams, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation;
use crate::{Auth, By, KeyRecord};

/// `auth.key.list`, `auth.key.rotate` and `auth.key.retire`, from the operator's organisation.
pub(super) fn operations(auth: &Auth) -> Table {
    Table::new()
        .with(
            operation(auth, "auth.key.list", "Lists the keys that tokens are signed with, without secrets", list)
                .read_only(),
        )
        .with(
            operation(auth, "auth.key.rotate", "Signs with a new key; tokens of the earlier ones still count", rotate)
                .fails_with([Code::Conflict]),
        )
        .with(
            operation(auth, "auth.key.retire", "Ends what a key signed, and its open connections", retire)
                .fails_with([Code::NotFound, Code::Conflict]),
        )
}

#[derive(Serialize, JsonSchema)]
struct KeyList {
    /// The one that signs first.
    items: Vec<KeyRecord>,
}

async fn list(auth: Auth, call: Call, _: NoParams) -> Result<KeyList, Error> {
    Ok(KeyList { items: auth.keys(&By::from(&call)).await? })
}

async fn rotate(auth: Auth, call: Call, _: NoParams) -> Result<KeyRecord, Error> {
    Ok(auth.rotate_key(&By::from(&call)).await?)
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetireParams {
    /// The key's id: the `kid` of the tokens it signed.
    key_id: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Retired {
    key_id: String,
    /// Always true.
    retired: bool,
}

async fn retire(auth: Auth, call: Call, params: RetireParams) -> Result<Retired, Error> {
    auth.retire_key(&By::from(&call), &params.key_id).await?;
    Ok(Retired { key_id: params.key_id, retired: true })
}

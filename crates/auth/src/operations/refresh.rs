use orchestrator_rpc::{Call, Error};
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::IssueResult;
use crate::Auth;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RefreshParams {
    /// The refresh token. It is used up.
    #[schemars(with = "String")]
    refresh_token: SecretString,
}

/// The token is all the authority there is: who calls, if anybody is known to, does not matter.
pub(super) async fn run(auth: Auth, call: Call, params: RefreshParams) -> Result<IssueResult, Error> {
    Ok(auth.refresh_token(params.refresh_token.expose_secret(), Some(call.correlation)).await?.into())
}

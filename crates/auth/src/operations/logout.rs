use orchestrator_rpc::{Call, Error};
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::Auth;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogoutParams {
    /// The refresh token: the one in use, or an old one of its family.
    #[schemars(with = "String")]
    refresh_token: SecretString,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogoutResult {
    /// Always true, also for what never was a token that counts (RFC 7009, section 2.2).
    logged_out: bool,
}

/// As for a refresh, the token is all the authority there is.
pub(super) async fn run(auth: Auth, call: Call, params: LogoutParams) -> Result<LogoutResult, Error> {
    auth.logout(params.refresh_token.expose_secret(), Some(call.correlation)).await?;
    Ok(LogoutResult { logged_out: true })
}

//! Statements, and nothing that decides.

mod changes;
mod families;
mod keys;
pub(crate) mod migrations;
mod orgs;
mod revocations;
mod tokens;

use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

pub(crate) use changes::{Change, changes_after, forget_changes, insert_change};
pub(crate) use families::{family, forget_families, insert_family, rotate_family};
pub(crate) use keys::{
    StoredSigningKey, count_signing_keys, insert_signing_key, newest_signing_key, retire_signing_key, signing_keys,
};
pub(crate) use orgs::{OrgRow, insert_org, org_by_key, org_exists, org_name_is_taken, orgs_after};
pub(crate) use revocations::{forget_revocations, head, insert_revocation, is_revoked, raise_head};
pub(crate) use tokens::{
    forget_holder, forget_tokens, insert_token, key_by_id, mark_revoked, mark_used, set_scopes, token, tokens_after,
};

use crate::Error;

fn statement<C: ConnectionTrait, const N: usize>(connection: &C, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

impl From<orchestrator_sql::Error> for Error {
    fn from(error: orchestrator_sql::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        orchestrator_sql::Error::from(error).into()
    }
}

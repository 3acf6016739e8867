use orchestrator_sql::Migration;

/// The history of this domain's tables.
pub(crate) const ALL: &[Migration] = &[crate::emergency::MIGRATION, crate::approvals::MIGRATION];

use orchestrator_rpc::{Call, Error as Refused, Scope as Right};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{sees, writing};
use crate::{Imported, Importing, MarkdownFile, Memories, Scope};

/// The most files of one call, and the longest path and file of them.
const FILES_MAX: usize = 500;
const PATH_CHARS_MAX: usize = 1_024;
const FILE_CHARS_MAX: usize = 1_048_576;

/// The parameters of `memory.import`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImportParams {
    /// Files of `memory.export`, or any notes in Markdown; together they may say 1,000 things.
    #[schemars(length(min = 1, max = 500))]
    files: Vec<MarkdownFile>,
    /// Whether the difference is made; otherwise it is only told.
    #[serde(default)]
    apply: bool,
    /// Who is to remember what is new: otherwise as its file says, and if that says nothing as for `memory.store`.
    #[serde(default)]
    scope: Option<Scope>,
    /// Whether what was forgotten comes back; that takes `daemon.approve`.
    #[serde(default)]
    restore_forgotten: bool,
}

pub(super) async fn import(memories: Memories, call: Call, params: ImportParams) -> Result<Imported, Refused> {
    check(&params.files)?;
    let may_restore = call.acting.is_none() && call.caller.scopes.allows(Right::Approve);
    if params.restore_forgotten && !may_restore {
        return Err(Refused::forbidden("restoreForgotten: that takes a person with the scope daemon.approve"));
    }
    let importing = Importing {
        files: &params.files,
        scope: params.scope,
        label: call.label(),
        apply: params.apply,
        restore_forgotten: params.restore_forgotten,
        sees: &sees(&call),
        allows: &|draft, scope| writing::allowed(&call, draft, scope).map_err(|refused| refused.message),
    };
    Ok(memories.import(call.org(), &call.actor(), &importing).await?)
}

fn check(files: &[MarkdownFile]) -> Result<(), Refused> {
    if !(1..=FILES_MAX).contains(&files.len()) {
        return Err(Refused::invalid_field("files", format!("expected 1 to {FILES_MAX}")));
    }
    for (place, MarkdownFile { path, content }) in files.iter().enumerate() {
        if !(1..=PATH_CHARS_MAX).contains(&path.chars().count()) {
            let expected = format!("expected 1 to {PATH_CHARS_MAX} characters");
            return Err(Refused::invalid_field(format!("files[{place}].path"), expected));
        }
        if content.chars().count() > FILE_CHARS_MAX {
            let expected = format!("expected at most {FILE_CHARS_MAX} characters");
            return Err(Refused::invalid_field(format!("files[{place}].content"), expected));
        }
    }
    Ok(())
}

use orchestrator_rpc::page::Cursor;
use orchestrator_rpc::{Call, Error as Refused};
use schemars::JsonSchema;
use serde::Serialize;

use super::reading::{ListParams, page};
use crate::{MarkdownFile, Memories, MemoryId, Tier};

/// After so many bytes a page ends.
const PAGE_BYTES: usize = 2 << 20;

/// A memory as a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ExportedFile {
    /// Where it is, from the folder they are all in: `semantic/fact/the-port-is-6432-4f2a90b1c3d5.md`.
    path: String,
    /// What is in it: YAML with what is known of the memory, and its text.
    content: String,
    /// The memory.
    memory_id: MemoryId,
}

/// What `memory.export` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exported {
    /// The latest first; at most `limit` of them, and about 2 MiB.
    files: Vec<ExportedFile>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// What lasts, unless notes of sessions are asked for: they go with them.
pub(super) async fn export(memories: Memories, call: Call, params: ListParams) -> Result<Exported, Refused> {
    let (found, mut next_cursor) = page(&memories, &call, &params, &[Tier::Episodic, Tier::Semantic]).await?;
    let (count, mut bytes, mut files) = (found.len(), 0, Vec::new());
    for (number, memory) in found {
        let MarkdownFile { path, content } = MarkdownFile::of(&memory);
        bytes += content.len();
        files.push(ExportedFile { path, content, memory_id: memory.id });
        if bytes >= PAGE_BYTES && files.len() < count {
            next_cursor = Some(Cursor::of(&number));
            break;
        }
    }
    Ok(Exported { files, next_cursor })
}

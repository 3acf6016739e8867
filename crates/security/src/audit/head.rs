use std::fs;
use std::path::{Path, PathBuf};

use orchestrator_transcript::Digest;
use serde::{Deserialize, Serialize};

use super::signer::{Signer, is_signed};

/// How far the log has come. Kept beside it, so that records missing at its end are noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// Which log.
    pub log: String,
    /// The number of the last record; 0 if there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Signed {
    head: Head,
    signature: String,
}

/// Where it is kept.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("head.json")
}

/// Written after what it speaks of is on the disk. It may lag behind after a crash, and never runs ahead.
pub(super) fn write(directory: &Path, head: &Head, signer: &Signer) -> std::io::Result<()> {
    let signed = Signed { head: head.clone(), signature: signer.sign(head) };
    let written = directory.join("head.json.new");
    fs::write(&written, serde_json::to_vec(&signed)?)?;
    fs::rename(written, path(directory))
}

/// `None` if there is none; an error says what is wrong with it.
pub(super) fn read(directory: &Path, public: &str) -> Result<Option<Head>, String> {
    let text = match fs::read(path(directory)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let signed: Signed = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match is_signed(&signed.head, &signed.signature, public) {
        true => Ok(Some(signed.head)),
        false => Err("its signature is not of the log's key".to_owned()),
    }
}

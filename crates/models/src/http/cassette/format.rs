use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use orchestrator_redact::Redactor;
use orchestrator_transcript::Digest;
use reqwest::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::CassetteError;
use crate::ErrorKind;

pub(super) const FORMAT: &str = "orchestrator-cassette";
pub(super) const VERSION: u32 = 1;
/// What names the end user or a place in a cache, and changes nothing of an answer.
const VOLATILE: [&str; 4] = ["user", "metadata", "safety_identifier", "prompt_cache_key"];

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Asked,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

/// A request as it is written: without headers, host and secrets.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) digest: String,
    pub(super) body: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    Response(Answered),
    Failure { kind: ErrorKind, message: String },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<Piece>,
    pub(super) end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Piece {
    Text(String),
    Bytes { base64: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum End {
    Whole,
    Broken,
    Abandoned,
    Withheld,
}

impl Asked {
    pub(super) fn of(request: &Request, redactor: &Redactor) -> Self {
        let url = request.url();
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let bytes = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let mut body = match serde_json::from_slice(bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => json!(String::from_utf8_lossy(bytes)),
        };
        if let Value::Object(fields) = &mut body {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
        }
        let (method, path) = (request.method().to_string(), redactor.redact(&path).into_owned());
        let body = redactor.redact_json(body);
        let whole = json!({ "method": method, "path": path, "body": body });
        // Integers that have no canonical form are digested as they are written.
        let digest = Digest::of(&whole).or_else(|_| Digest::of(&json!(whole.to_string())));
        let digest = digest.map(|digest| digest.to_string()).expect("a text has a canonical form");
        Self { method, path, digest, body }
    }

    /// Whether it changes nothing, wherever it goes.
    pub(super) fn only_reads(&self) -> bool {
        self.method == "GET"
    }

    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Piece {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes { base64: STANDARD.encode(bytes) },
        }
    }

    pub(super) fn bytes(&self) -> Result<Bytes, base64::DecodeError> {
        match self {
            Self::Text(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Self::Bytes { base64 } => STANDARD.decode(base64).map(Bytes::from),
        }
    }
}

impl Header {
    pub(super) fn own() -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION }
    }

    /// Checks the first line of a file.
    pub(super) fn check(path: &Path, line: &str) -> Result<(), CassetteError> {
        let wrong = |problem: String| CassetteError::Format { path: path.to_owned(), line: 1, problem };
        let header: Self = serde_json::from_str(line)
            .ok()
            .filter(|header: &Self| header.format == FORMAT)
            .ok_or_else(|| wrong(format!("expected {{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}")))?;
        match header.version {
            VERSION => Ok(()),
            other => Err(wrong(format!("version {other} is unknown, expected {VERSION}"))),
        }
    }
}

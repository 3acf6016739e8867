//! Whether `/openapi.json` is what it says it is: an OpenAPI 3.1 document.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::subject::Subject;
use crate::page;
use crate::run::Run;

/// Without it, a document of 3.1 is none: the validator must say so, or it validates nothing.
const REQUIRED: &str = "info";

/// Judged by the schema of its own version, references and examples of defaults included.
pub(super) fn check(validator: &Path, subject: &Subject) -> Result<()> {
    let (_, address) = subject.url().split_once("://").context("an address")?;
    let document = page::get(address, "openapi.json").context("/openapi.json")?;
    let mut parsed: Value = serde_json::from_str(&document).context("/openapi.json is no JSON")?;
    let written = |name: &str, text: &str| -> Result<_> {
        let file = subject.folder().join(name);
        std::fs::write(&file, text)?;
        Ok(file)
    };
    let (whole, broken) = (written("openapi.json", &document)?, parsed.as_object_mut());
    broken.and_then(|members| members.remove(REQUIRED)).with_context(|| format!("it has no `{REQUIRED}`"))?;
    let broken = written("broken.json", &parsed.to_string())?;
    let judged = |file: &Path| Run::new(validator).args(["--schema", "3.1", "--validation-errors", "all"]).arg(file);
    ensure!(
        !judged(&broken).quiet().succeeds(),
        "the validator takes a document without `{REQUIRED}`: it finds nothing"
    );
    judged(&whole).run().context("/openapi.json is no OpenAPI 3.1 document")
}

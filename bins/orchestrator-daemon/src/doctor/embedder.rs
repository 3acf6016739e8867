use std::time::Instant;

use orchestrator_memory::Embedder;
use orchestrator_vocab::OrgId;

use super::Finding;
use crate::adapters::open_local_embedder;
use crate::config::Config;

const CHECK: &str = "embedder";
const REMEDY: &str = "name the files of all-MiniLM-L6-v2 in memory.embedder.local, or take it out (docs/memory.md)";
const SENTENCE: &str = "The doctor looks whether sentences have vectors.";

/// Whether the model on this machine makes vectors, if there is to be one.
pub(super) async fn findings(config: &Config) -> Option<Finding> {
    let files = config.memory.embedder.local.as_ref()?;
    Some(match open_local_embedder(files).await {
        Ok(embedder) => of(&*embedder).await,
        Err(error) => Finding::failure(CHECK, format!("{error:#}"), REMEDY),
    })
}

/// One sentence is embedded.
pub(crate) async fn of(embedder: &dyn Embedder) -> Finding {
    let begun = Instant::now();
    match embedder.embed_question(OrgId::LOCAL, SENTENCE).await {
        Ok(vector) => {
            let (name, length, took) = (embedder.name(), vector.len(), begun.elapsed().as_millis());
            Finding::ok(CHECK, format!("{name} made a vector of length {length} in {took} ms"))
        }
        Err(error) => Finding::failure(CHECK, format!("{}: {error}", embedder.name()), REMEDY),
    }
}

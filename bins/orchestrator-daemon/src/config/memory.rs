use anyhow::{Context as _, ensure};

use super::Models;
use crate::adapters::NO_LOCAL_EMBEDDER;

/// Whether what is remembered, and found again, makes sense for this daemon.
pub(super) fn validate(config: &orchestrator_memory::Config, models: &Models) -> anyhow::Result<()> {
    config.validate().context("memory")?;
    models.know(config.embedder.model.iter()).context("memory.embedder.model")?;
    models.know(config.summary_model.iter()).context("memory.summaryModel")?;
    models.know(config.learning_model.iter()).context("memory.learningModel")?;
    ensure!(cfg!(feature = "local-embeddings") || config.embedder.local.is_none(), NO_LOCAL_EMBEDDER);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn checked(embedder: serde_json::Value) -> String {
        let config = serde_json::from_value(json!({ "embedder": embedder })).unwrap();
        validate(&config, &Models::default()).map_or_else(|error| format!("{error:#}"), |()| "in order".to_owned())
    }

    #[test]
    fn a_model_on_this_machine_needs_a_daemon_that_was_built_for_it() {
        let found = checked(json!({ "local": { "model": "m", "tokenizer": "t" } }));
        let expected = if cfg!(feature = "local-embeddings") { "in order" } else { NO_LOCAL_EMBEDDER };
        assert_eq!(found, expected);
    }

    #[test]
    fn vectors_come_from_one_place() {
        let local = json!({ "model": "m", "tokenizer": "t" });
        let both = checked(json!({ "local": local, "model": "a/b", "dimensions": 3 }));
        assert!(both.contains("embedder.local") && both.contains("memory.embedder.model"), "{both}");
        let dimensions = checked(json!({ "local": local, "dimensions": 3 }));
        assert!(
            dimensions.contains("embedder.dimensions") && dimensions.contains("memory.embedder.local"),
            "{dimensions}"
        );
    }
}

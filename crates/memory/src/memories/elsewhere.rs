//! Where words of people are beside memories.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_redact::{Forget, Forgotten};
use orchestrator_vocab::OrgId;
use serde::Serialize;

use super::Memories;
use crate::{Erasing, Error};

/// A place that [`Memories::erase`] reaches: journals, tasks, a log.
#[async_trait]
pub trait Elsewhere: Send + Sync {
    /// How the receipt calls it.
    fn name(&self) -> &'static str;

    /// Forgets the texts of what is meant, as far as they belong to nothing that goes on, and tells how many; or counts them, if
    /// `how` changes nothing. Asked again it goes on from where it was cut off. `what` says where to look, `how` which texts.
    async fn forget(
        &self,
        org: OrgId,
        what: &Erasing,
        how: &Forget,
    ) -> Result<Forgotten, Box<dyn std::error::Error + Send + Sync>>;
}

/// What came of it in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Texts that are gone: of each `[erased]` is left.
    pub erased: u64,
    /// Texts that are still there because what they belong to goes on (a session, a task, a schedule, a credential): end it and erase
    /// again.
    pub held: u64,
}

impl Memories {
    /// Where [`erase`](Self::erase) reaches beside memories, in this order. Said once; later lists are ignored.
    pub fn reach(&self, places: Vec<Arc<dyn Elsewhere>>) {
        self.0.elsewhere.get_or_init(|| places);
    }

    pub(super) async fn forget_elsewhere(
        &self,
        org: OrgId,
        what: &Erasing,
        how: &Forget,
    ) -> Result<BTreeMap<String, Place>, Error> {
        let mut found = BTreeMap::new();
        for place in self.0.elsewhere.get().into_iter().flatten() {
            let Forgotten { erased, held } = place.forget(org, what, how).await.map_err(Error::Store)?;
            found.insert(place.name().to_owned(), Place { erased, held });
        }
        Ok(found)
    }
}

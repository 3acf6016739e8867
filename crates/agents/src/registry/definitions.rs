use std::collections::BTreeMap;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_vocab::{Actor, AgentId, OrgId};
use serde_json::json;

use super::Registry;
use crate::{Changes, Error, Fault};

/// Names and complaints in one event.
const LISTED_MAX: usize = 200;

impl Registry {
    /// Tells by an event `agent.definitions`, to each organisation that it is about, what files define now that they did not
    /// before. What is wrong with files is told to the operator's organisation.
    ///
    /// `org_of` says whose an agent is, or was.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn announce(
        &self,
        changes: &Changes,
        faults: &[Fault],
        org_of: impl Fn(&AgentId) -> OrgId,
        actor: Actor,
    ) -> Result<(), Error> {
        let now = self.0.clock.now();
        let mut told = BTreeMap::<OrgId, [Vec<&AgentId>; 3]>::from([(OrgId::LOCAL, Default::default())]);
        for (place, ids) in [&changes.added, &changes.changed, &changes.removed].into_iter().enumerate() {
            for id in ids {
                let lists = told.entry(org_of(id)).or_default();
                if lists[place].len() < LISTED_MAX {
                    lists[place].push(id);
                }
            }
        }
        let errors: Vec<String> = faults.iter().take(LISTED_MAX).map(ToString::to_string).collect();
        let events: Vec<NewEvent> = told
            .into_iter()
            .map(|(org, [added, changed, removed])| {
                let errors: &[String] = if org == OrgId::LOCAL { &errors } else { &[] };
                let payload = json!({
                    "orgId": org, "added": added, "changed": changed, "removed": removed, "errors": errors,
                });
                NewEvent::new(org, "agent.definitions", now, actor.clone(), payload)
            })
            .collect();
        let write = self.0.database.write(move |tx| {
            let events = events.clone();
            Box::pin(async move {
                SqlLog::append(tx, events);
                Ok::<(), Error>(())
            })
        });
        write.await
    }
}

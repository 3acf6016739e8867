use async_trait::async_trait;
use orchestrator_budget::{Reservation, Witness};
use orchestrator_sessions::{Entry, Sessions};
use orchestrator_transcript::Usage;

/// What a request used whose daemon was cut off, as the journal of its session says: a session asks one thing at a time, so the first
/// answer after the reservation is the answer to it.
pub(crate) struct InJournals(pub(crate) Sessions);

#[async_trait]
impl Witness for InJournals {
    async fn used(&self, reservation: &Reservation) -> Option<Usage> {
        let entries = self.0.entries(reservation.org, reservation.spender.session?).await.ok()?;
        let after = entries.iter().filter(|numbered| numbered.at >= reservation.at);
        after.into_iter().find_map(|numbered| match &numbered.entry {
            Entry::Answered { usage, .. } => Some(*usage),
            _ => None,
        })
    }
}

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
        // One of its own requests is written down before it is paid for. What else was put down to the session, such as a summary of
        // its conversation, has another place.
        let asked =
            entries.iter().rposition(|one| matches!(one.entry, Entry::Asked { .. }) && one.at <= reservation.at)?;
        let answer = entries[asked..].iter().find(|one| matches!(one.entry, Entry::Answered { .. }))?;
        match &answer.entry {
            Entry::Answered { usage, .. } if answer.at >= reservation.at => Some(*usage),
            _ => None,
        }
    }
}

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_rpc::{Caller, Scopes, Standing};
use orchestrator_vocab::{OrgId, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a credential is believed without asking the store again.
const FRESH: Duration = Duration::from_secs(30);

/// How many credentials that nobody has a connection with are remembered, at most.
const REMEMBERED_MAX: usize = 16_384;

/// SHA-256 of a credential as it was shown.
pub(crate) type Digest = [u8; 32];

/// Who a credential belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) org: OrgId,
    pub(crate) subject: String,
    pub(crate) scopes: Scopes,
    /// The token's own id.
    pub(crate) credential: String,
    /// The family of refresh tokens it came from. Then that is what limits count: a new access token is no new caller.
    pub(crate) family: Option<String>,
    pub(crate) expires_at: Option<Timestamp>,
    /// For signed tokens, which key signed it.
    pub(crate) signed_by: Option<[u8; 32]>,
}

/// The credentials in use by this process: what is known of them, and the standing that their connections watch.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<HashMap<Digest, Entry>>);

#[derive(Debug)]
struct Entry {
    holder: Holder,
    standing: watch::Sender<Standing>,
    /// When the store last said that it counts.
    confirmed: Option<Instant>,
}

impl Standings {
    /// The caller, if the credential was confirmed a short while ago and still counts.
    pub(crate) fn known(&self, digest: &Digest, now: Timestamp) -> Option<Caller> {
        let entries = self.lock();
        let entry = entries.get(digest).filter(|entry| entry.is_fresh() && entry.is_good())?;
        entry.holder.expires_at.is_none_or(|end| now < end).then(|| entry.caller())
    }

    /// Starts to watch a credential, *before* the store is asked whether it was revoked: a revocation that happens in
    /// between finds it here.
    pub(crate) fn enter(&self, digest: Digest, holder: Holder) -> Caller {
        let mut entries = self.lock();
        if entries.len() >= REMEMBERED_MAX && !entries.contains_key(&digest) {
            entries.retain(|_, entry| entry.is_used());
        }
        let entry = entries.entry(digest).or_insert_with(|| Entry {
            holder: holder.clone(),
            standing: watch::channel(Standing::Good).0,
            confirmed: None,
        });
        entry.holder = holder;
        entry.caller()
    }

    /// The store says that it counts.
    pub(crate) fn confirm(&self, digest: &Digest) {
        if let Some(entry) = self.lock().get_mut(digest) {
            entry.confirmed = Some(Instant::now());
        }
    }

    /// Tells the connections of these credentials that they are over.
    pub(crate) fn revoke(&self, revoked: &HashSet<(OrgId, String)>) {
        self.end(Standing::Revoked, |holder| {
            let names = std::iter::once(&holder.credential).chain(&holder.family);
            names.into_iter().any(|name| revoked.contains(&(holder.org, name.clone())))
        });
    }

    /// The same for tokens whose key is no longer accepted.
    pub(crate) fn keep_signed_by(&self, accepted: impl Fn(&[u8; 32]) -> bool) {
        self.end(Standing::Revoked, |holder| holder.signed_by.is_some_and(|print| !accepted(&print)));
    }

    /// Tells the connections of these credentials to authenticate again, for what they may do has changed.
    pub(crate) fn change(&self, changed: &HashSet<(OrgId, String)>) {
        self.end(Standing::Changed, |holder| changed.contains(&(holder.org, holder.name().to_owned())));
    }

    /// Forgets what nobody uses any more.
    pub(crate) fn sweep(&self) {
        self.lock().retain(|_, entry| entry.is_used() || (entry.is_fresh() && entry.is_good()));
    }

    /// What was revoked stays, and is refused by that; what has changed is forgotten, so that the same credential, shown
    /// again, gets an entry of its own.
    fn end(&self, how: Standing, over: impl Fn(&Holder) -> bool) {
        self.lock().retain(|_, entry| {
            let is_over = entry.is_good() && over(&entry.holder);
            if is_over {
                entry.standing.send_replace(how);
            }
            !(is_over && how == Standing::Changed)
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder {
    /// What the credential is called outside.
    pub(crate) fn name(&self) -> &str {
        self.family.as_deref().unwrap_or(&self.credential)
    }
}

impl Entry {
    fn is_good(&self) -> bool {
        *self.standing.borrow() == Standing::Good
    }

    fn is_fresh(&self) -> bool {
        self.confirmed.is_some_and(|at| at.elapsed() < FRESH)
    }

    fn is_used(&self) -> bool {
        self.standing.receiver_count() > 0
    }

    fn caller(&self) -> Caller {
        let holder = &self.holder;
        Caller {
            org: holder.org,
            subject: holder.subject.clone(),
            scopes: holder.scopes,
            credential: holder.name().to_owned(),
            expires_at: holder.expires_at,
            standing: self.standing.subscribe(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(credential: &str) -> Holder {
        Holder {
            org: OrgId::LOCAL,
            subject: "alice".to_owned(),
            scopes: Scopes::ADMIN,
            credential: credential.to_owned(),
            family: None,
            expires_at: Some(Timestamp(100)),
            signed_by: Some([7; 32]),
        }
    }

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_le_bytes());
        digest
    }

    #[tokio::test(start_paused = true)]
    async fn a_credential_is_believed_for_a_while_and_never_past_its_end() {
        let standings = Standings::default();
        standings.enter(digest(1), holder("a"));
        assert!(standings.known(&digest(1), Timestamp(0)).is_none());
        standings.confirm(&digest(1));
        assert!(standings.known(&digest(1), Timestamp(99)).is_some());
        assert!(standings.known(&digest(1), Timestamp(100)).is_none());
        tokio::time::advance(FRESH).await;
        assert!(standings.known(&digest(1), Timestamp(0)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_revocation_between_entering_and_confirming_is_not_missed() {
        let standings = Standings::default();
        let caller = standings.enter(digest(1), holder("a"));
        standings.revoke(&HashSet::from([(OrgId::LOCAL, "a".to_owned())]));
        standings.confirm(&digest(1));
        assert!(!caller.is_good());
        assert!(standings.known(&digest(1), Timestamp(0)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_named_credential_of_the_named_organisation_is_revoked() {
        let standings = Standings::default();
        let (first, second) = (standings.enter(digest(1), holder("a")), standings.enter(digest(2), holder("b")));
        standings.revoke(&HashSet::from([(OrgId::new(), "a".to_owned()), (OrgId::LOCAL, "b".to_owned())]));
        assert!(first.is_good() && !second.is_good());
        standings.keep_signed_by(|print| *print == [7; 32]);
        assert!(first.is_good());
        standings.keep_signed_by(|_| false);
        assert!(!first.is_good());
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_is_revoked_whole_and_its_tokens_one_by_one() {
        let standings = Standings::default();
        let of_family = |credential| Holder { family: Some("f".to_owned()), ..holder(credential) };
        let (first, second) = (standings.enter(digest(1), of_family("a")), standings.enter(digest(2), of_family("b")));
        assert_eq!(first.credential, "f");
        standings.revoke(&HashSet::from([(OrgId::LOCAL, "a".to_owned())]));
        assert!(!first.is_good() && second.is_good());
        standings.revoke(&HashSet::from([(OrgId::LOCAL, "f".to_owned())]));
        assert!(!second.is_good());
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_credential_is_looked_up_again() {
        let standings = Standings::default();
        let before = standings.enter(digest(1), holder("a"));
        standings.confirm(&digest(1));
        standings.change(&HashSet::from([(OrgId::LOCAL, "a".to_owned())]));
        assert_eq!(*before.standing.borrow(), Standing::Changed);
        assert!(standings.known(&digest(1), Timestamp(0)).is_none());
        assert!(standings.enter(digest(1), holder("a")).is_good());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_forgotten_and_open_connections_are_not() {
        let standings = Standings::default();
        let open = standings.enter(digest(0), holder("open"));
        for number in 1..=2 * u32::try_from(REMEMBERED_MAX).unwrap() {
            standings.enter(digest(number), holder("x"));
            standings.confirm(&digest(number));
        }
        assert!(standings.lock().len() <= REMEMBERED_MAX);
        tokio::time::advance(FRESH).await;
        standings.sweep();
        assert_eq!(standings.lock().len(), 1);
        standings.revoke(&HashSet::from([(OrgId::LOCAL, "open".to_owned())]));
        assert!(!open.is_good());
    }
}

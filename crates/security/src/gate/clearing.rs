//! The gate: what everybody thinks of a call, people who are asked, and one record of what was decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, AgentId, Label, OrgId, SessionId, TaskId};
use serde_json::{Value, json};

use super::{Decided, Opinion, decide};
use crate::approvals::{Asked, Wanted};
use crate::{Approval, ApprovalError, ApprovalId, ApprovalState, Approvals, Audit, Decision, Entry, shown};

/// The longest name that is written down of what is no tool.
const NAME_CHARS_MAX: usize = 128;

/// A call that somebody wants to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// In whose name.
    pub org: OrgId,
    /// Who wants it.
    pub actor: Actor,
    /// What is called.
    pub tool: String,
    /// With what.
    pub arguments: Value,
    /// Whose words led to it.
    pub label: Label,
    /// In which session.
    pub session: Option<SessionId>,
    /// For which task.
    pub task: Option<TaskId>,
    /// On whose behalf.
    pub agent: Option<AgentId>,
    /// Where the call waits if somebody has to confirm it; without a place it is denied then.
    pub place: Option<Place>,
    /// The charters that were asked, with the digests of what they say.
    pub charters: BTreeMap<String, String>,
}

/// A call in a session that can wait for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The call, as the session names it.
    pub request: String,
    /// The same for the same place in the same session, also after an interruption.
    pub key: String,
    /// Who wanted the task.
    pub requester: Option<Actor>,
}

/// That one call may be made, once, as it was judged. Only the gate makes it:
///
/// ```compile_fail
/// # fn by_hand(digest: orchestrator_transcript::Digest) {
/// let clearance = orchestrator_security::Clearance { digest, reason: String::new() };
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a clearance that is dropped clears nothing"]
pub struct Clearance {
    digest: Digest,
    reason: String,
}

impl Clearance {
    /// Whether it is this call that it is for.
    pub fn covers(&self, tool: &str, arguments: &Value) -> bool {
        digest(tool, arguments).is_ok_and(|digest| digest == self.digest)
    }

    /// By which rules, for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Why a call is not made, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is never made as it is.
    #[error("{reason}")]
    Denied {
        /// By which rules, or what is in the way.
        reason: String,
    },
    /// A person is asked: ask again when they have answered.
    #[error("{reason}")]
    Waits {
        /// Which approval tells what they answered.
        approval: ApprovalId,
        /// What it waits for, for people.
        reason: String,
    },
}

/// What the gate is made of.
#[derive(Clone)]
pub struct GateParts {
    /// Where every decision is written down.
    pub audit: Audit,
    /// Whom it asks.
    pub approvals: Approvals,
    /// Takes out what nobody may see.
    pub filter: Arc<dyn Fn(&Value) -> Value + Send + Sync>,
}

/// Decides, has people confirm what they are to confirm, and writes one record of it before anything comes of it. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<GateParts>);

impl Gate {
    /// Asks nobody yet.
    pub fn new(parts: GateParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Decides about a call by what everybody who was asked thinks of it.
    ///
    /// # Errors
    /// [`Refusal`]: tell whoever wants to make it.
    pub async fn clear(&self, ask: Ask, opinions: Vec<Opinion>) -> Result<Clearance, Refusal> {
        let ask = Ask { tool: ask.tool.chars().take(NAME_CHARS_MAX).collect(), ..ask };
        // What has no digest of its own could be exchanged for something else with the same.
        let digest = match digest(&ask.tool, &ask.arguments) {
            Ok(digest) => digest,
            Err(reason) => return Err(self.deny(&ask, None, &BTreeSet::new(), reason).await),
        };
        match decide(opinions) {
            Decided::Denied(rules) => Err(self.deny(&ask, Some(digest), &rules, told(&rules)).await),
            Decided::Allowed(rules) => self.allow(&ask, digest, &rules, told(&rules)).await,
            Decided::Held { rules, by, timeout_ms } => {
                let wanted = self.wanted(&ask, digest, &rules, by, timeout_ms);
                match wanted {
                    Some(wanted) => self.confirmed(&ask, wanted).await,
                    None => {
                        let reason = format!("it has to be confirmed, and cannot wait here: {}", told(&rules));
                        Err(self.deny(&ask, Some(digest), &rules, reason).await)
                    }
                }
            }
        }
    }

    /// Writes down that a call was refused by somebody who need not be asked about anything else.
    pub async fn refuse(&self, ask: Ask, reason: String) -> Refusal {
        let ask = Ask { tool: ask.tool.chars().take(NAME_CHARS_MAX).collect(), ..ask };
        let digest = digest(&ask.tool, &ask.arguments).ok();
        self.deny(&ask, digest, &[reason.clone()].into(), reason).await
    }

    fn wanted(
        &self,
        ask: &Ask,
        digest: Digest,
        rules: &BTreeSet<String>,
        by: BTreeSet<String>,
        timeout_ms: Option<u64>,
    ) -> Option<Wanted> {
        let (place, session, task, agent) = (ask.place.clone()?, ask.session?, ask.task?, ask.agent.clone()?);
        let arguments = canonical(&(self.0.filter)(&ask.arguments));
        Some(Wanted {
            org: ask.org,
            session,
            task,
            agent,
            request: place.request,
            key: place.key,
            tool: ask.tool.clone(),
            arguments: shown(&arguments, self.0.approvals.config().arguments_bytes_max),
            digest,
            label: ask.label,
            rules: rules.iter().map(|rule| self.text(rule)).collect(),
            by,
            timeout_ms,
            requester: place.requester,
        })
    }

    /// What a person said, or that one is asked.
    async fn confirmed(&self, ask: &Ask, wanted: Wanted) -> Result<Clearance, Refusal> {
        let (digest, rules) = (wanted.digest, wanted.rules.clone());
        let approvals = &self.0.approvals;
        let answered = async {
            if let Some(grant) = approvals.granted(wanted.org, &wanted.agent, &wanted.tool, digest).await? {
                return Ok(Answered::Yes(format!("{} confirmed it for good ({})", grant.granted_by, grant.id)));
            }
            let (approval, asked) = approvals.ask(wanted).await?;
            self.answered(approval, asked, digest).await
        };
        match answered.await {
            Ok(Answered::Yes(by)) => self.allow(ask, digest, &rules, format!("{by}; {}", told(&rules))).await,
            Ok(Answered::No(reason)) => Err(self.deny(ask, Some(digest), &rules, reason).await),
            Ok(Answered::NotYet { approval, asked }) => {
                let reason = format!("it waits to be confirmed ({approval}): {}", told(&rules));
                if asked == Asked::Now {
                    // Nothing is done: whether it can be written down changes nothing.
                    let _ = self.record(ask, Decision::Held, Some(digest), &rules, &reason).await;
                }
                Err(Refusal::Waits { approval, reason })
            }
            Err(error) => {
                let reason = format!("it has to be confirmed, and {}", chain(&error));
                Err(self.deny(ask, Some(digest), &rules, reason).await)
            }
        }
    }

    async fn answered(&self, approval: Approval, asked: Asked, digest: Digest) -> Result<Answered, ApprovalError> {
        let id = approval.id;
        if approval.digest != digest {
            return Err(ApprovalError::Other(id));
        }
        Ok(match &approval.state {
            ApprovalState::Pending {} => Answered::NotYet { approval: id, asked },
            ApprovalState::Approved(_) => {
                let answer = self.0.approvals.take(&approval, digest).await?;
                Answered::Yes(format!("{} confirmed it ({id})", answer.decided_by))
            }
            ApprovalState::Denied(answer) => Answered::No(format!("{} said no ({id})", answer.decided_by)),
            ApprovalState::Expired {} => Answered::No(format!("nobody confirmed it in time ({id})")),
            ApprovalState::Withdrawn {} => Answered::No(format!("nobody waits for it any more ({id})")),
            ApprovalState::Used(_) => Answered::No(format!("it was confirmed for one call, which was made ({id})")),
        })
    }

    async fn allow(
        &self,
        ask: &Ask,
        digest: Digest,
        rules: &BTreeSet<String>,
        reason: String,
    ) -> Result<Clearance, Refusal> {
        match self.record(ask, Decision::Allowed, Some(digest), rules, &reason).await {
            Ok(()) => Ok(Clearance { digest, reason }),
            Err(error) => Err(Refusal::Denied { reason: format!("it must be audited, and {error}") }),
        }
    }

    /// Refused is refused, written down or not.
    async fn deny(&self, ask: &Ask, digest: Option<Digest>, rules: &BTreeSet<String>, reason: String) -> Refusal {
        let _ = self.record(ask, Decision::Denied, digest, rules, &reason).await;
        Refusal::Denied { reason }
    }

    async fn record(
        &self,
        ask: &Ask,
        decision: Decision,
        digest: Option<Digest>,
        rules: &BTreeSet<String>,
        reason: &str,
    ) -> Result<(), crate::Error> {
        let entry = Entry {
            org: ask.org,
            actor: ask.actor.clone(),
            action: ask.tool.clone(),
            decision,
            reason: self.text(reason),
            rules: rules.iter().map(|rule| self.text(rule)).collect(),
            session: ask.session,
            task: ask.task,
            agent: ask.agent.clone().filter(|agent| ask.actor != Actor::Agent(agent.clone())),
            digest,
            arguments: self.kept(&ask.arguments),
            charters: ask.charters.clone(),
        };
        self.0.audit.append(entry).await.map(drop)
    }

    /// Without secrets.
    fn text(&self, text: &str) -> String {
        match (self.0.filter)(&json!(text)) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Without secrets, and not longer than somebody would read.
    fn kept(&self, arguments: &Value) -> String {
        let mut text = (self.0.filter)(arguments).to_string();
        let kept = text.floor_char_boundary(self.0.audit.config().arguments_bytes_max.min(text.len()));
        let left_out = text.len() - kept;
        if left_out > 0 {
            text.truncate(kept);
            text.push_str(&format!("… {left_out} bytes more"));
        }
        text
    }
}

/// What people said of a call that has to be confirmed.
enum Answered {
    Yes(String),
    No(String),
    NotYet { approval: ApprovalId, asked: Asked },
}

fn told(rules: &BTreeSet<String>) -> String {
    rules.iter().cloned().collect::<Vec<_>>().join("; ")
}

fn digest(tool: &str, arguments: &Value) -> Result<Digest, String> {
    Digest::of(&json!({ "arguments": arguments, "name": tool })).map_err(|error| error.to_string())
}

fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string())
}

fn chain(error: &ApprovalError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("approvals", &self.0.approvals).finish_non_exhaustive()
    }
}

use std::collections::BTreeSet;

use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, AgentId, Id, Kind, Label, OrgId, SessionId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Decision, Entry};

/// A call that somebody is asked to confirm.
pub enum ApprovalKind {}

/// A call that was confirmed for good.
pub enum GrantKind {}

impl Kind for ApprovalKind {
    const PREFIX: &'static str = "approval";
}

impl Kind for GrantKind {
    const PREFIX: &'static str = "grant";
}

/// Names an approval.
pub type ApprovalId = Id<ApprovalKind>;
/// Names a grant.
pub type GrantId = Id<GrantKind>;

/// A call of a tool that waits, or waited, for a person. It stands for this call as it was shown, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its name.
    pub id: ApprovalId,
    /// In whose name.
    pub org_id: OrgId,
    /// The session that waits.
    pub session_id: SessionId,
    /// Its task.
    pub task_id: TaskId,
    /// Who wants to make the call.
    pub agent_id: AgentId,
    /// The call, as the session's history names it.
    pub request_id: String,
    /// The place of the call in the session: the same after an interruption.
    pub key: String,
    /// What is called.
    pub tool: String,
    /// Its arguments in canonical form (RFC 8785), without secrets, with every character that cannot be seen written as `\u{…}`. If
    /// they are too long to be shown, the end says how much is left out.
    pub arguments: String,
    /// Of the tool and its arguments: what is confirmed is what runs.
    pub digest: Digest,
    /// Whose words led to the call.
    pub label: Label,
    /// By which rules somebody has to confirm it.
    pub rules: BTreeSet<String>,
    /// Whose word is needed (`user:NAME`); anybody's who may, if this is empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by: BTreeSet<String>,
    /// Who wanted the task. It is not for them to confirm it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Actor>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it is denied because nobody answered.
    pub expires_at: Timestamp,
    /// How far it is.
    #[serde(flatten)]
    pub state: ApprovalState,
}

/// How far an approval is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ApprovalState {
    /// Nobody has answered.
    Pending {},
    /// It may be made, once.
    Approved(Answer),
    /// It may not.
    Denied(Answer),
    /// Nobody answered in time: it may not.
    Expired {},
    /// It was confirmed, and the call was let through.
    Used(Answer),
    /// The session ended before anybody answered.
    Withdrawn {},
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Who.
    pub decided_by: Actor,
    /// When.
    pub decided_at: Timestamp,
    /// In their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The name of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ApprovalStatus {
    /// Nobody has answered.
    Pending,
    /// It may be made, once.
    Approved,
    /// It may not.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The call was let through.
    Used,
    /// The session ended before anybody answered.
    Withdrawn,
}

impl ApprovalStatus {
    /// As it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl ApprovalState {
    /// Its name.
    pub const fn status(&self) -> ApprovalStatus {
        match self {
            Self::Pending {} => ApprovalStatus::Pending,
            Self::Approved(_) => ApprovalStatus::Approved,
            Self::Denied(_) => ApprovalStatus::Denied,
            Self::Expired {} => ApprovalStatus::Expired,
            Self::Used(_) => ApprovalStatus::Used,
            Self::Withdrawn {} => ApprovalStatus::Withdrawn,
        }
    }

    /// What a person said, if anybody did.
    pub const fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Approved(answer) | Self::Denied(answer) | Self::Used(answer) => Some(answer),
            Self::Pending {} | Self::Expired {} | Self::Withdrawn {} => None,
        }
    }
}

impl Approval {
    /// Whether this one may say yes: a person, not the one who wanted it, and one of those who were named, if any were.
    ///
    /// # Errors
    /// Why not.
    pub fn may_be_approved_by(&self, who: &Actor, requesters: Requesters) -> Result<(), String> {
        self.may_be_answered_by(who)?;
        if requesters == Requesters::Excluded && self.requester.as_ref() == Some(who) {
            return Err(format!("{who} asked for the task, and cannot confirm what is done for it"));
        }
        Ok(())
    }

    /// Whether this one may answer at all.
    ///
    /// # Errors
    /// Why not.
    pub fn may_be_answered_by(&self, who: &Actor) -> Result<(), String> {
        if matches!(who, Actor::Agent(_)) {
            return Err("an agent confirms nothing".to_owned());
        }
        if !self.by.is_empty() && !self.by.contains(&who.to_string()) {
            let named = self.by.iter().cloned().collect::<Vec<_>>().join(" or ");
            return Err(format!("it is for {named} to answer"));
        }
        Ok(())
    }

    /// What is written down about it. The arguments are in the record of the call itself.
    pub fn entry(&self, actor: Actor, action: String, decision: Decision, reason: String) -> Entry {
        Entry {
            rules: self.rules.clone(),
            session: Some(self.session_id),
            task: Some(self.task_id),
            agent: Some(self.agent_id.clone()),
            digest: Some(self.digest),
            ..Entry::plain(self.org_id, actor, action, decision, reason)
        }
    }
}

/// Whether those who wanted a task may confirm what is done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requesters {
    /// They may not: four eyes see more than two.
    Excluded,
    /// They may.
    Included,
}

/// A call that was confirmed for good: the same tool with the same arguments by the same agent, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// In whose name.
    pub org_id: OrgId,
    /// Whose calls.
    pub agent_id: AgentId,
    /// What is called.
    pub tool: String,
    /// The arguments, as they were shown.
    pub arguments: String,
    /// Of the tool and its arguments.
    pub digest: Digest,
    /// The approval it came from.
    pub approval_id: ApprovalId,
    /// Who granted it.
    pub granted_by: Actor,
    /// When.
    pub granted_at: Timestamp,
}

/// A text as people can check it: what cannot be seen, or changes how other characters are shown, is written out, and a cut is
/// visible.
pub fn shown(text: &str, bytes_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(bytes_max));
    for (place, character) in text.char_indices() {
        if shown.len() >= bytes_max {
            let left_out = text.len() - place;
            shown.push_str(&format!("… {left_out} bytes more"));
            break;
        }
        match is_hidden(character) {
            true => shown.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
            false => shown.push(character),
        }
    }
    shown
}

/// Controls, separators of lines, and what is formatted by and not seen (Unicode's general categories Cc, Cf, Zl and Zp, and the
/// fillers and selectors that have no shape of their own).
fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || matches!(code,
            0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x115f..=0x1160
            | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1343f
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out_and_a_cut_is_visible() {
        assert_eq!(shown("rm -rf\u{202e}x\u{0}\u{1b}[2K\u{200b}é", 100), "rm -rf\\u{202e}x\\u{0}\\u{1b}[2K\\u{200b}é");
        assert_eq!(shown("abcdef", 4), "abcd… 2 bytes more");
        assert_eq!(shown("éé", 2), "é… 2 bytes more");
        assert_eq!(shown("", 0), "");
    }

    #[test]
    fn neither_an_agent_nor_who_asked_nor_who_was_not_named_says_yes() {
        let (alice, bob): (Actor, Actor) = ("user:alice".parse().unwrap(), "user:bob".parse().unwrap());
        let mut approval = example();
        approval.requester = Some(alice.clone());
        let agent = Actor::Agent("coder".parse().unwrap());
        assert!(approval.may_be_approved_by(&agent, Requesters::Included).is_err());
        assert!(approval.may_be_approved_by(&alice, Requesters::Excluded).is_err());
        assert!(approval.may_be_approved_by(&alice, Requesters::Included).is_ok());
        assert!(approval.may_be_answered_by(&alice).is_ok(), "to say no is everybody's");
        assert!(approval.may_be_approved_by(&bob, Requesters::Excluded).is_ok());
        approval.by = ["user:carol".to_owned()].into();
        assert_eq!(
            approval.may_be_approved_by(&bob, Requesters::Excluded),
            Err("it is for user:carol to answer".to_owned())
        );
    }

    #[test]
    fn an_approval_survives_its_json() {
        let answer = Answer { decided_by: "user:bob".parse().unwrap(), decided_at: Timestamp::default(), note: None };
        for state in [
            ApprovalState::Pending {},
            ApprovalState::Approved(answer.clone()),
            ApprovalState::Used(answer),
            ApprovalState::Expired {},
        ] {
            let approval = Approval { state, ..example() };
            let json = serde_json::to_value(&approval).unwrap();
            assert_eq!(json["status"], approval.state.status().as_str());
            assert_eq!(serde_json::from_value::<Approval>(json).unwrap(), approval);
        }
    }

    fn example() -> Approval {
        Approval {
            id: ApprovalId::new(),
            org_id: OrgId::LOCAL,
            session_id: SessionId::new(),
            task_id: TaskId::new(),
            agent_id: "coder".parse().unwrap(),
            request_id: "call_1".to_owned(),
            key: "1.0".to_owned(),
            tool: "command.run".to_owned(),
            arguments: r#"{"argv":["ls"]}"#.to_owned(),
            digest: Digest::of(&serde_json::json!({})).unwrap(),
            label: Label::USER,
            rules: BTreeSet::new(),
            by: BTreeSet::new(),
            requester: None,
            requested_at: Timestamp::default(),
            expires_at: Timestamp::default(),
            state: ApprovalState::Pending {},
        }
    }
}

use orchestrator_sessions::{Entry, Repeat, Verdict};
use orchestrator_transcript::{Block, Content, Message, ToolCall, ToolResult};
use orchestrator_vocab::Label;

/// A call that an answer asks for, and how far it is.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    call: ToolCall,
    key: String,
    state: State,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    New,
    /// A person has to confirm it first.
    Awaiting {
        approval: String,
        reason: String,
    },
    /// They did not.
    Refused(String),
    /// It was about to be made when the journal ends: nobody knows whether it was.
    Open(Repeat),
    Settled(Verdict),
    Returned(ToolResult, Label),
}

/// A call that is to be made, or answered, now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due {
    pub(crate) call: ToolCall,
    /// The same for the same place in the same session.
    pub(crate) key: String,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// Make it.
    Make,
    /// It cannot be made: the agent is told why.
    Refuse(String),
    /// A person says that it was made, and what came of it.
    Tell(String),
}

/// The calls of one answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    pub(super) fn of(message: &Message, turn: u32) -> Self {
        let call = |(place, call): (usize, &ToolCall)| Call {
            call: call.clone(),
            key: format!("{turn}.{place}"),
            state: State::New,
        };
        Self(message.tool_calls().enumerate().map(call).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, id: &str) -> Option<&ToolCall> {
        self.0.iter().find(|call| call.call.id == id).map(|call| &call.call)
    }

    pub(super) fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        let (id, state) = match entry {
            Entry::Awaiting { call, approval, reason } => {
                (call, State::Awaiting { approval: approval.clone(), reason: reason.clone() })
            }
            Entry::Ruled { call, approval, allowed, reason, .. } => {
                self.ruled(call, approval, (!allowed).then_some(reason));
                return Ok(());
            }
            Entry::Calling { call, repeat, .. } => (call, State::Open(*repeat)),
            Entry::Settled { call, verdict, .. } => (call, State::Settled(verdict.clone())),
            Entry::Returned { result, label, .. } => (&result.call_id, State::Returned(result.clone(), *label)),
            _ => return Ok(()),
        };
        let call = self.0.iter_mut().find(|call| call.call.id == *id);
        let call = call.ok_or_else(|| format!("nobody made a call {id}"))?;
        let is_late = matches!(call.state, State::Returned(..));
        // What a person says about a call that came back meanwhile is too late.
        if !(is_late && matches!(state, State::Settled(_))) {
            call.state = state;
        }
        Ok(())
    }

    /// What people answer counts for the call that waits for it, and for no other.
    fn ruled(&mut self, id: &str, answered: &str, refused: Option<&String>) {
        let is_meant = |call: &&mut Call| {
            call.call.id == id && matches!(&call.state, State::Awaiting { approval, .. } if approval == answered)
        };
        if let Some(call) = self.0.iter_mut().find(is_meant) {
            call.state = refused.map_or(State::New, |reason| State::Refused(reason.clone()));
        }
    }

    /// What can be done now, in order.
    pub(super) fn due(&self, calls_max: usize) -> Vec<Due> {
        let due = |(place, call): (usize, &Call)| {
            call.what(place < calls_max, calls_max).map(|what| Due {
                call: call.call.clone(),
                key: call.key.clone(),
                what,
            })
        };
        self.0.iter().enumerate().filter_map(due).collect()
    }

    /// What only a person can say, for them.
    pub(super) fn waits(&self) -> Option<String> {
        self.awaited().or_else(|| self.unknown())
    }

    fn awaited(&self) -> Option<String> {
        self.0.iter().find_map(|call| match &call.state {
            State::Awaiting { reason, .. } => {
                Some(format!("the call {} of {}: {reason}", call.call.id, call.call.name))
            }
            _ => None,
        })
    }

    /// Which call nobody knows of.
    fn unknown(&self) -> Option<String> {
        let open = self.0.iter().find(|call| call.state == State::Open(Repeat::Effective))?;
        let ToolCall { id, name, .. } = &open.call;
        Some(format!("nobody knows whether the call {id} of {name} was made before the interruption: settle it"))
    }

    /// The results, once all are there.
    pub(super) fn take_results(&mut self) -> Vec<Block> {
        let is_returned = |call: &Call| matches!(call.state, State::Returned(..));
        if !self.0.iter().all(is_returned) {
            return Vec::new();
        }
        let result = |call: Call| match call.state {
            State::Returned(result, label) => Some(Block::new(label, Content::ToolResult(result))),
            _ => None,
        };
        std::mem::take(&mut self.0).into_iter().filter_map(result).collect()
    }
}

impl Call {
    fn what(&self, is_within: bool, calls_max: usize) -> Option<What> {
        match &self.state {
            State::Returned(..) | State::Open(Repeat::Effective) | State::Awaiting { .. } => None,
            State::Refused(reason) => Some(What::Refuse(format!("not allowed: {reason}"))),
            State::Settled(Verdict::Done { result }) => Some(What::Tell(result.clone())),
            State::New if !is_within => {
                Some(What::Refuse(format!("at most {calls_max} calls are made for one answer: ask for it again")))
            }
            State::New | State::Open(_) | State::Settled(_) => Some(match &self.call.malformed {
                Some(_) => What::Refuse("the arguments are not a JSON object".into()),
                None => What::Make,
            }),
        }
    }
}

use std::collections::{HashMap, HashSet};
use std::fmt;

use orchestrator_transcript::{Digest, Message, ToolCall, ToolResult, Usage};
use serde_json::json;

use crate::Circles;

/// Notices an agent that goes round in circles.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    circles: Circles,
    made: HashSet<Digest>,
    same: HashMap<(Digest, Digest), u32>,
    most_same: Option<(String, u32)>,
    idle_turns: u32,
    idle_tokens: u64,
    nudges: u32,
}

/// What it noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Circle {
    SameCall { tool: String, times: u32 },
    IdleTurns(u32),
    IdleTokens(u64),
}

impl Watch {
    pub(super) fn new(circles: Circles) -> Self {
        let (made, same) = (HashSet::new(), HashMap::new());
        Self { circles, made, same, most_same: None, idle_turns: 0, idle_tokens: 0, nudges: 0 }
    }

    pub(super) fn answered(&mut self, message: &Message, usage: Usage) {
        self.idle_turns = self.idle_turns.saturating_add(1);
        self.idle_tokens = self.idle_tokens.saturating_add(usage.total());
        for call in message.tool_calls() {
            if call.digest().is_ok_and(|digest| self.made.insert(digest)) {
                (self.idle_turns, self.idle_tokens) = (0, 0);
            }
        }
    }

    pub(super) fn returned(&mut self, call: &ToolCall, result: &ToolResult) {
        let came = json!({ "content": result.content, "isError": result.is_error });
        let (Ok(made), Ok(came)) = (call.digest(), Digest::of(&came)) else { return };
        let times = self.same.entry((made, came)).or_default();
        *times += 1;
        if self.most_same.as_ref().is_none_or(|(_, most)| *times > *most) {
            self.most_same = Some((call.name.clone(), *times));
        }
    }

    /// The agent was told: it gets another chance before it is told again.
    pub(super) fn nudged(&mut self) {
        self.nudges += 1;
        self.forget();
    }

    /// A person said something: whatever the agent does with it is new.
    pub(super) fn told(&mut self) {
        self.nudges = 0;
        self.forget();
    }

    pub(super) fn nudges(&self) -> u32 {
        self.nudges
    }

    pub(super) fn found(&self) -> Option<Circle> {
        let Circles { same_calls, idle_turns, idle_tokens, .. } = self.circles;
        match &self.most_same {
            Some((tool, times)) if same_calls > 0 && *times >= same_calls => {
                Some(Circle::SameCall { tool: tool.clone(), times: *times })
            }
            _ if idle_turns > 0 && self.idle_turns >= idle_turns => Some(Circle::IdleTurns(self.idle_turns)),
            _ if idle_tokens > 0 && self.idle_tokens >= idle_tokens => Some(Circle::IdleTokens(self.idle_tokens)),
            _ => None,
        }
    }

    fn forget(&mut self) {
        self.same.clear();
        self.most_same = None;
        (self.idle_turns, self.idle_tokens) = (0, 0);
    }
}

impl Circle {
    /// What the agent is told.
    pub(super) fn advice(&self) -> String {
        format!("You seem to go round in circles: {self}. Try another way, or say what keeps you from going on.")
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameCall { tool, times } => write!(f, "{tool} was called {times} times alike, with the same result"),
            Self::IdleTurns(turns) => write!(f, "{turns} answers in a row brought nothing new"),
            Self::IdleTokens(tokens) => write!(f, "{tokens} tokens brought nothing new"),
        }
    }
}

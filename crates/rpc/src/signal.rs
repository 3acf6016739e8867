use std::time::Duration;

use orchestrator_vocab::Timestamp;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::Error;
use crate::error::whole_millis;

/// What a server says of the connection itself, without being asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The daemon is about to stop: connect again after `delay`.
    Reconnect {
        /// Why.
        reason: String,
        /// Different for each connection, so that not all come back at once.
        delay: Duration,
        /// What to show then, to go on where this connection was.
        resume_token: Option<String>,
    },
    /// A call was refused because there were too many.
    RateLimit {
        /// The operation.
        action: String,
        /// When it may be tried again.
        retry_after: Duration,
        /// Calls counted within the last minute, as far as the limiter tells.
        current_rate: Option<u64>,
        /// Calls allowed per minute, as far as the limiter tells.
        max_rate: Option<u64>,
    },
    /// The server is alive.
    Heartbeat {
        /// Its time.
        time: Timestamp,
        /// From 1, per connection.
        seq: u64,
    },
}

impl Signal {
    /// What goes with a refusal for being too fast; `None` if the error is another one.
    pub fn of_refusal(action: &str, error: &Error) -> Option<Self> {
        if error.code != crate::Code::RateLimited {
            return None;
        }
        let number = |name: &str| error.data.as_ref()?.get(name)?.as_u64();
        Some(Self::RateLimit {
            action: action.to_owned(),
            retry_after: error.retry_after.unwrap_or_default(),
            current_rate: number("currentRate"),
            max_rate: number("maxRate"),
        })
    }

    /// Its name where it is an event.
    pub fn event_name(&self) -> &'static str {
        match self {
            Self::Reconnect { .. } => "connection.reconnect",
            Self::RateLimit { .. } => "connection.rateLimit",
            Self::Heartbeat { .. } => "health.heartbeat",
        }
    }

    /// What it says. `delay` and `retryAfter` are milliseconds.
    pub fn facts(&self) -> Box<RawValue> {
        let facts = match self {
            Self::Reconnect { reason, delay, resume_token } => {
                let mut facts = json!({ "reason": reason, "delay": whole_millis(*delay) });
                if let Some(token) = resume_token {
                    facts["resumeToken"] = json!(token);
                }
                facts
            }
            Self::RateLimit { action, retry_after, current_rate, max_rate } => {
                let mut facts = json!({ "action": action, "retryAfter": whole_millis(*retry_after) });
                for (name, rate) in [("currentRate", current_rate), ("maxRate", max_rate)] {
                    if let Some(rate) = rate {
                        facts[name] = json!(rate);
                    }
                }
                facts
            }
            Self::Heartbeat { time, seq } => json!({ "serverTimestamp": time.millis(), "seq": seq }),
        };
        to_raw_value(&facts).expect("texts and numbers are JSON")
    }
}

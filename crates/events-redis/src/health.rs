use orchestrator_vocab::Timestamp;

/// How it stands with Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not tried yet.
    Connecting,
    /// Events cross through Redis.
    Up,
    /// Events cross through the log; Redis is tried again.
    Down,
}

impl State {
    /// As shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A look at the relay.
#[derive(Debug, Clone)]
pub struct Health {
    /// How it stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// How often Redis was lost or not found, since the start.
    pub outages: u64,
    /// Why it is down, or was last.
    pub last_error: Option<String>,
    /// Events put into streams.
    pub events_sent: u64,
    /// Events taken from streams, without those sent from here.
    pub events_received: u64,
    /// Events left to the log because Redis was down, the queue full, or they were too large.
    pub events_not_sent: u64,
    /// Live-only pieces sent.
    pub pieces_sent: u64,
    /// Live-only pieces received.
    pub pieces_received: u64,
    /// Live-only pieces that were dropped because Redis was down or the queue full.
    pub pieces_dropped: u64,
}

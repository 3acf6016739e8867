use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::Error;
use crate::endpoint::Endpoint;

/// Where the daemon is and how patient to be with it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `http://`, `https://`, `ws://` or `wss://`, host and port; without a path, `/ws` is meant.
    pub url: String,
    /// A signed token or an API key, sent in the header of the upgrade. Without one, most calls are refused.
    pub token: Option<SecretString>,
    /// What [`Client::resume_token`](crate::Client::resume_token) of an earlier process answered: its
    /// [`durable`](crate::Topics::durable) subscriptions go on in this one, when they are asked for by their names. Needs a
    /// token of the same subject.
    pub resume_token: Option<SecretString>,
    /// Certificates (PEM) to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Sends the token also unencrypted over a network. Default: only to this machine.
    pub allow_insecure: bool,
    /// For one attempt to connect: name, TCP, TLS and upgrade. Default 10 s.
    pub connect_timeout: Duration,
    /// For a call from beginning to end, waiting for a reconnection and retries included. Default 60 s.
    pub call_timeout: Duration,
    /// How often a call is repeated that the daemon put off. Default 3.
    pub retries_max: u32,
    /// After this time without a sign of life the daemon is pinged, after twice this it is given up. Default 20 s.
    pub silence_max: Duration,
    /// Calls in flight; further ones wait. Default 1,024.
    pub calls_in_flight_max: usize,
    /// Events that may wait for one subscriber. One that falls behind further continues from the daemon's log. Default 1,024.
    pub events_queued_max: usize,
    /// Bytes of one message from the daemon. Default 64 MiB.
    pub message_bytes_max: usize,
    /// What to do when the connection is lost.
    pub reconnect: Reconnect,
}

/// How a lost connection is made anew: after a jittered, exponentially growing delay, or when the daemon asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconnect {
    /// The first delay, at most. Default 200 ms.
    pub delay_first: Duration,
    /// The longest delay. Default 30 s.
    pub delay_max: Duration,
    /// Attempts in a row before the client ends; `None`: never. Default `None`.
    pub attempts_max: Option<u32>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { delay_first: Duration::from_millis(200), delay_max: Duration::from_secs(30), attempts_max: None }
    }
}

impl Config {
    /// The defaults for a daemon at this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            resume_token: None,
            ca_file: None,
            allow_insecure: false,
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(60),
            retries_max: 3,
            silence_max: Duration::from_secs(20),
            calls_in_flight_max: 1_024,
            events_queued_max: 1_024,
            message_bytes_max: 64 << 20,
            reconnect: Reconnect::default(),
        }
    }

    /// Shows this token: a JWT or an API key.
    #[must_use]
    pub fn token(mut self, token: impl Into<SecretString>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Goes on where an earlier process was.
    #[must_use]
    pub fn resume_token(mut self, token: impl Into<SecretString>) -> Self {
        self.resume_token = Some(token.into());
        self
    }

    /// Whether the address is of this machine: a loopback address or `localhost`.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`]: the address is none.
    pub fn is_local(&self) -> Result<bool, Error> {
        Endpoint::parse(&self.url).map(|endpoint| endpoint.is_local())
    }
}

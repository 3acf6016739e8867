use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::combinators::BoxBody;
use orchestrator_rpc::{Caller, Error, Quota};
use serde_json::value::RawValue;

/// The stack every call goes through: the daemon layers it over `rpc`'s dispatcher and boxes it once.
pub type CallService = tower::util::BoxCloneSyncService<orchestrator_rpc::Request, Box<RawValue>, Error>;

/// What an address did without a good credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// A request without a credential to something that needs one.
    Request,
    /// A WebSocket upgrade that will authenticate by its first frame.
    Upgrade,
    /// A credential that was refused.
    FailedLogin,
}

/// Come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl fmt::Display for RetryAfter {
    /// Whole seconds, rounded up, as the header `Retry-After` wants them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_millis().div_ceil(1_000))
    }
}

/// What the gateway needs from a rate limiter: limits per address, for what is not authenticated. Calls with a good
/// credential are limited inside the [`CallService`].
pub trait Limits: Send + Sync {
    /// Counts one attempt of `address`, or says how long it has to wait. Never blocks.
    fn count(&self, address: IpAddr, attempt: Attempt) -> Counted;
}

/// What came of counting an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// How long the address has to wait; nothing if the attempt is admitted.
    pub refused: Option<RetryAfter>,
    /// What is left for the address, if attempts are limited. Told in the headers of the answer.
    pub quota: Option<Quota>,
}

/// No limits per address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Limits for Unlimited {
    fn count(&self, _: IpAddr, _: Attempt) -> Counted {
        Counted::default()
    }
}

/// Whether the parts behind the gateway can work. Asked by `/readyz` and `/health`; must answer at once.
pub trait Readiness: Send + Sync {
    /// Why the daemon is not ready, or nothing.
    fn unready(&self) -> Option<String>;
}

/// Always ready.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysReady;

impl Readiness for AlwaysReady {
    fn unready(&self) -> Option<String> {
        None
    }
}

/// Writes a page such as `/status` or `/metrics` for a caller, who is known to have `daemon.read`.
pub type Page = Box<dyn Fn(Caller) -> BoxFuture<'static, Result<String, Error>> + Send + Sync>;

/// Writes a page for everybody who can reach the listener.
pub type OpenPage = Box<dyn Fn() -> BoxFuture<'static, Result<String, Error>> + Send + Sync>;

/// Speaks another protocol over HTTP, at a path of its own.
///
/// Host and origin were checked, and whoever asks was authenticated: among the request's extensions is a
/// [`Call`](orchestrator_rpc::Call) of the caller, with a deadline, to be sent through the [`CallService`]. It is cancelled once
/// nobody waits for the answer any more. The body is whole, no longer than `messageBytesMax`, and JSON by its headers if it is
/// not empty.
pub type Mount = Box<dyn Fn(http::Request<Bytes>) -> BoxFuture<'static, MountAnswer> + Send + Sync>;

/// What a [`Mount`] answers.
pub type MountAnswer = http::Response<BoxBody<Bytes, Infallible>>;

use std::time::Duration;

use crate::{Error, ErrorKind, ProviderError, Skip};

/// How long a provider that says nothing is left alone by whoever puts its work aside: the longest wait between two retries.
const WAIT_USUAL: Duration = Duration::from_secs(8);
/// How long somebody else's probe of a provider is given.
const PROBE: Duration = Duration::from_secs(1);

/// Whose fault a failure is, and so what may be done with the work that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Of providers that are not well, or have had enough. The same request may succeed later: put the work aside until then.
    Provider {
        /// From now to the first moment at which somebody may be asked again. Never zero.
        retry_in: Duration,
    },
    /// Of the request. The same one never succeeds with what is configured: change it, or give up.
    Request,
    /// Of the configuration or the account (credentials, money, permission): a person must do something first.
    Operator,
}

impl Fault {
    /// How long to wait, if waiting helps.
    pub const fn retry_in(self) -> Option<Duration> {
        match self {
            Self::Provider { retry_in } => Some(retry_in),
            Self::Request | Self::Operator => None,
        }
    }
}

impl ProviderError {
    /// Whose fault it is. A provider that does not say how long it wants to be left alone gets 8 s.
    pub fn fault(&self) -> Fault {
        let wants = match self.kind {
            ErrorKind::Busy => true,
            _ => self.is_retryable(),
        };
        match self.kind {
            // The same may be spent in the next window, if it is not more than may ever be.
            ErrorKind::BudgetExhausted => match self.retry_after() {
                Some(retry_in) => Fault::Provider { retry_in: retry_in.max(Duration::from_millis(1)) },
                None => Fault::Operator,
            },
            _ if wants => {
                let retry_in = self.retry_after().unwrap_or(WAIT_USUAL);
                Fault::Provider { retry_in: retry_in.max(Duration::from_millis(1)) }
            }
            ErrorKind::Authentication
            | ErrorKind::Billing
            | ErrorKind::Permission
            | ErrorKind::NotFound
            | ErrorKind::UnknownPrice
            | ErrorKind::NotRecorded => Fault::Operator,
            _ => Fault::Request,
        }
    }
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotConfigured | Self::NoEmbedder => Fault::Operator,
            Self::UnknownModel(_) | Self::Invalid { .. } => Fault::Request,
            Self::NoCandidate { skipped, .. } => match skipped.iter().filter_map(|(_, skip)| rest(skip)).min() {
                Some(retry_in) => Fault::Provider { retry_in },
                None => Fault::Request,
            },
            Self::Failed { source, retry_in, .. } => match retry_in {
                Some(retry_in) => Fault::Provider { retry_in: *retry_in },
                None => source.fault(),
            },
        }
    }

    /// From now to the first moment at which the same call may succeed; `None` if it never does by itself.
    pub fn retry_in(&self) -> Option<Duration> {
        self.fault().retry_in()
    }
}

/// When one that is left alone may be asked again.
fn rest(skip: &Skip) -> Option<Duration> {
    match skip {
        Skip::CircuitOpen { retry_in_ms: 0 } => Some(PROBE),
        Skip::CircuitOpen { retry_in_ms } => Some(Duration::from_millis(*retry_in_ms)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, TraceId};

    fn skipped(skips: &[Skip]) -> Error {
        let target = Target { provider: "p".into(), model: "m".into() };
        let skipped = skips.iter().map(|skip| (target.clone(), skip.clone())).collect();
        Error::NoCandidate { skipped, trace: TraceId::new() }
    }

    #[test]
    fn the_first_that_may_be_asked_again_tells_when() {
        let open = |retry_in_ms| Skip::CircuitOpen { retry_in_ms };
        let window = Skip::ContextWindow { needed: 2, window: 1 };
        let after = |error: Error| error.retry_in().map(|wait| wait.as_millis());
        assert_eq!(after(skipped(&[open(7_000), open(3_000), window.clone()])), Some(3_000));
        assert_eq!(after(skipped(&[open(0), open(3_000)])), Some(1_000), "somebody tries it");
        assert_eq!(skipped(&[window, Skip::NoTools]).fault(), Fault::Request);
        assert_eq!(Error::NotConfigured.fault(), Fault::Operator);
    }

    #[test]
    fn a_failure_tells_whose_it_is() {
        let fault = |kind| ProviderError::new(kind, "").fault();
        for kind in
            [ErrorKind::InvalidRequest, ErrorKind::TooLarge, ErrorKind::ContextWindowExceeded, ErrorKind::Refused]
        {
            assert_eq!(fault(kind), Fault::Request, "{kind:?}");
        }
        for kind in [ErrorKind::Authentication, ErrorKind::Billing, ErrorKind::Permission, ErrorKind::NotFound] {
            assert_eq!(fault(kind), Fault::Operator, "{kind:?}");
        }
        for kind in [ErrorKind::Busy, ErrorKind::Overloaded, ErrorKind::Connection, ErrorKind::RateLimited] {
            assert_eq!(fault(kind).retry_in(), Some(WAIT_USUAL), "{kind:?}");
        }
        let mut limited = ProviderError::new(ErrorKind::RateLimited, "");
        limited.hints.retry_after = Some(Duration::from_secs(3_000));
        assert_eq!(limited.fault().retry_in(), Some(Duration::from_secs(3_000)));
        limited.hints.should_retry = Some(false);
        assert_eq!(limited.fault(), Fault::Request, "the provider has the last word");
    }
}

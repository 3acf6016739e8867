use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use orchestrator_rpc::{Caller, Code, Credential, Error, Quota, Scope};
use serde_json::json;

use super::reply::{Refusal, UNAUTHORIZED};
use crate::shared::Shared;
use crate::{Attempt, Counted};

/// Longer than any token we issue; stops a header from being a load.
const CREDENTIAL_BYTES_MAX: usize = 8 << 10;

/// The one reason that is told, to WebSockets: the credential was good and has ended.
pub(crate) const TOKEN_EXPIRED: &str = "TOKEN_EXPIRED";

/// The credential in the headers, none, or a refusal if it is malformed or there are two.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Option<Credential>, Refusal> {
    let mut bearers = headers.get_all(AUTHORIZATION).iter();
    let mut keys = headers.get_all("x-api-key").iter();
    let credential = match (bearers.next(), keys.next()) {
        (None, None) => return Ok(None),
        (Some(value), None) => value.to_str().ok().and_then(bearer).map(|token| Credential::Bearer(token.into())),
        (None, Some(value)) => value.to_str().ok().and_then(plain).map(|key| Credential::ApiKey(key.into())),
        (Some(_), Some(_)) => None,
    };
    let single = bearers.next().is_none() && keys.next().is_none();
    credential.filter(|_| single).map(Some).ok_or_else(Refusal::unauthorized)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| plain(token)).flatten()
}

fn plain(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= CREDENTIAL_BYTES_MAX).then_some(text)
}

impl Shared {
    /// The caller of an HTTP request.
    pub(crate) async fn caller(&self, headers: &HeaderMap, address: IpAddr) -> Result<Arc<Caller>, Refusal> {
        match credential(headers) {
            Ok(Some(credential)) => self.authenticated(&credential, address).await.map_err(Refusal::without_reason),
            Ok(None) => {
                let quota = self.count(address, Attempt::Request)?;
                Err(Refusal::unauthorized().with_quota(quota))
            }
            Err(refusal) => {
                let quota = self.count(address, Attempt::FailedLogin)?;
                Err(refusal.with_quota(quota))
            }
        }
    }

    /// Somebody who shows no credential, for one call of an open operation.
    pub(crate) fn stranger(&self, address: IpAddr) -> Result<Arc<Caller>, Refusal> {
        self.count(address, Attempt::Request)?;
        Ok(Arc::new(Caller::anonymous(crate::admission::unit(address))))
    }

    /// Whether an operation needs no credential.
    pub(crate) fn is_open(&self, method: &str) -> bool {
        self.table.get(method).is_some_and(orchestrator_rpc::Operation::is_open)
    }

    /// The caller of a WebSocket that shows its credential in its first frame.
    pub(crate) async fn login(&self, credential: &Credential, address: IpAddr) -> Result<Arc<Caller>, Error> {
        self.authenticated(credential, address).await.map_err(Refusal::into_error)
    }

    /// Asks who this is, and counts it against the address if it is nobody.
    async fn authenticated(&self, credential: &Credential, address: IpAddr) -> Result<Arc<Caller>, Refusal> {
        let asked = AssertUnwindSafe(self.authenticator.authenticate(credential)).catch_unwind().await;
        let answer = asked.unwrap_or_else(|_| {
            self.counters.panics.increment();
            Err(Error::internal("the authenticator panicked"))
        });
        match answer {
            Ok(caller) if caller.is_good() => Ok(Arc::new(caller)),
            Err(error) if matches!(error.code, Code::Unavailable | Code::Internal | Code::RateLimited) => {
                Err(error.into())
            }
            refused => {
                self.counters.logins_failed.increment();
                let quota = self.count(address, Attempt::FailedLogin)?;
                let is_over =
                    refused.is_err_and(|error| error.data.is_some_and(|data| data["reason"] == TOKEN_EXPIRED));
                let unauthorized = match is_over {
                    true => Error::unauthorized(UNAUTHORIZED).with_data(json!({ "reason": TOKEN_EXPIRED })),
                    false => Error::unauthorized(UNAUTHORIZED),
                };
                Err(Refusal::from(unauthorized).with_quota(quota))
            }
        }
    }

    /// A caller who may read, for pages.
    pub(crate) async fn reader(&self, headers: &HeaderMap, address: IpAddr) -> Result<Arc<Caller>, Refusal> {
        let caller = self.caller(headers, address).await?;
        if caller.scopes.allows(Scope::Read) {
            return Ok(caller);
        }
        Err(Error::forbidden(format!("{} is required", Scope::Read)).into())
    }

    /// Counts an attempt of what is not authenticated, and says what is left.
    pub(crate) fn count(&self, address: IpAddr, attempt: Attempt) -> Result<Option<Quota>, Refusal> {
        let Counted { refused, quota } = self.limits.count(crate::admission::unit(address), attempt);
        let Some(after) = refused else { return Ok(quota) };
        self.counters.rate_limited.increment();
        Err(Refusal::rate_limited(after).with_quota(quota))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(&'static str, &'static str)]) -> Result<Option<&'static str>, ()> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        credential(&headers).map_err(|_| ()).map(|found| {
            found.map(|credential| match credential {
                Credential::Bearer(_) => "bearer",
                Credential::ApiKey(_) => "key",
            })
        })
    }

    #[test]
    fn one_credential_in_one_header_is_understood() {
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[("authorization", "Bearer abc")]), Ok(Some("bearer")));
        assert_eq!(found(&[("authorization", "bearer  abc")]), Ok(Some("bearer")));
        assert_eq!(found(&[("x-api-key", "abc")]), Ok(Some("key")));
    }

    #[test]
    fn anything_else_is_refused() {
        for headers in [
            &[("authorization", "Basic abc")][..],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "")],
            &[("authorization", "Bearer a"), ("x-api-key", "a")],
            &[("x-api-key", "a"), ("x-api-key", "a")],
        ] {
            // `collect` would keep only the last of two equal names, so they are appended.
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert!(credential(&map).is_err(), "{headers:?}");
        }
    }
}

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_egress::{Client, Config as Egress, HostPattern, Method, Request};
use orchestrator_redact::Redactor;
use orchestrator_vocab::Clock;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::config::{Http as Config, InvalidConfig};
use crate::{Answer, Event, Failed, Handler, Input};

/// What an answer may have.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// What a hook is told may have: arguments and answers of tools are bounded too.
const TOLD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A server of the operator. It is told by POST, signed: the header `x-orchestrator-signature` is `sha256=` and the HMAC-SHA256, in
/// hexadecimal digits, of the header `x-orchestrator-timestamp` (seconds since 1970), a dot, and the body.
pub(crate) struct Asks {
    client: Client,
    url: String,
    secret: SecretString,
    clock: Arc<dyn Clock>,
    redactor: Redactor,
}

impl Asks {
    /// # Errors
    /// [`InvalidConfig`] for what [`Config::validate`](crate::Config::validate) would refuse.
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>, redactor: Redactor) -> Result<Self, InvalidConfig> {
        let invalid = |problem: String| InvalidConfig { field: "http.url".to_owned(), problem };
        let url = Url::parse(&config.url).map_err(|error| invalid(error.to_string()))?;
        let host = url.host_str().ok_or_else(|| invalid("expected a host".to_owned()))?;
        // The operator chose it: it may be here or inside, and nobody else is asked.
        let host: HostPattern = host.trim_matches(['[', ']']).parse().map_err(|error| invalid(format!("{error}")))?;
        let egress = Egress {
            allow_hosts: vec![host.clone()],
            only_hosts: Some(vec![host]),
            redirects_max: 0,
            response_bytes_max: ANSWER_BYTES_MAX,
            request_bytes_max: TOLD_BYTES_MAX,
            timeout_ms: 600_000,
            ..Egress::default()
        };
        let client = Client::new(egress).map_err(|error| invalid(error.to_string()))?;
        let secret = config.secret.clone().ok_or_else(|| invalid("expected a secret".to_owned()))?;
        Ok(Self { client, url: config.url.clone(), secret, clock, redactor })
    }

    fn request(&self, body: String) -> Request {
        let timestamp = (self.clock.now().millis() / 1_000).to_string();
        let signature = signed(self.secret.expose_secret(), &timestamp, &body);
        Request::new(Method::Post, self.url.clone())
            .header("content-type", "application/json")
            .header("x-orchestrator-timestamp", timestamp)
            .header("x-orchestrator-signature", format!("sha256={signature}"))
            .body(body)
    }
}

#[async_trait]
impl Handler for Asks {
    async fn run(&self, event: Event, input: &Input) -> Result<Answer, Failed> {
        let request = self.request(self.redactor.redact_json(input.to_json(event)).to_string());
        let response = self.client.send(request).await.map_err(|error| Failed(error.to_string()))?;
        if !(200..300).contains(&response.status) {
            return Err(Failed(format!("it was answered {}", response.status)));
        }
        let text = String::from_utf8_lossy(&response.body);
        Answer::read(&text, event).map_err(|error| Failed(error.to_string()))
    }
}

/// In hexadecimal digits.
fn signed(secret: &str, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_over_time_and_body() {
        // By `printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef`.
        let expected = "e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e";
        assert_eq!(signed("0123456789abcdef", "1700000000", "{}"), expected);
        assert_ne!(signed("0123456789abcdef", "1700000001", "{}"), expected);
    }
}

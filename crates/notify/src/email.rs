use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;

use crate::destination::Mailing;
use crate::{Failure, FailureKind, Message, Tls};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Nobody's holiday answers it (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Sends it to everybody in one e-mail, over a connection of its own.
pub(crate) async fn send(mailing: &Mailing, message: &Message, timeout: Duration) -> Result<(), Failure> {
    let mail = mail(mailing, message)?;
    let sent = tokio::time::timeout(timeout, transport(mailing, timeout)?.send(mail)).await;
    match sent {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(classified(&error, &mailing.host)),
        Err(_) => {
            let said = format!("{} took longer than {} ms", mailing.host, timeout.as_millis());
            Err(Failure::new(FailureKind::TimedOut, said))
        }
    }
}

fn mail(mailing: &Mailing, message: &Message) -> Result<lettre::Message, Failure> {
    let mut builder = lettre::Message::builder()
        .from(mailing.from.clone())
        .subject(format!("[{}] {}", message.severity.as_str(), message.title))
        .message_id(Some(format!("<{}@{}>", identifier(&message.id), mailing.from.email.domain())))
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    for to in &mailing.to {
        builder = builder.to(to.clone());
    }
    builder.body(text(message)).map_err(|error| Failure::new(FailureKind::Refused, error.to_string()))
}

fn text(message: &Message) -> String {
    let facts: String = message.facts.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{}\n\n{facts}\n{} at {}\n", message.text, message.topic, message.time)
}

/// What may be written in a message's id.
fn identifier(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' }).take(128).collect()
}

fn transport(mailing: &Mailing, timeout: Duration) -> Result<Transport, Failure> {
    let host = mailing.host.as_str();
    let builder = match mailing.tls {
        Tls::StartTls => Transport::starttls_relay(host),
        Tls::Implicit => Transport::relay(host),
        Tls::None => Ok(Transport::builder_dangerous(host)),
    };
    let mut builder = builder.map_err(|error| classified(&error, host))?.timeout(Some(timeout));
    if let Some(port) = mailing.port {
        builder = builder.port(port);
    }
    if let Some((user, password)) = &mailing.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
    }
    Ok(builder.build())
}

fn classified(error: &Error, host: &str) -> Failure {
    let kind = if error.is_timeout() {
        FailureKind::TimedOut
    } else if error.is_transient() {
        FailureKind::Busy
    } else if error.is_permanent() || error.is_client() || error.is_tls() {
        FailureKind::Refused
    } else {
        FailureKind::Unreachable
    };
    let said = match error.status() {
        Some(code) => format!("{host} answered {code}"),
        None if error.is_tls() => format!("{host}: TLS failed"),
        None if error.is_client() => format!("{host} does not offer what is needed: {error}"),
        None => format!("{host} cannot be spoken to"),
    };
    Failure::new(kind, said)
}

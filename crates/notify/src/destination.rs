use std::net::IpAddr;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::Signer;

/// The most people that get one e-mail.
const TO_MAX: usize = 50;

/// How somebody is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// SMTP: `host`, `from` and `to`, perhaps `port`, `tls`, `user` and `password`.
    Email,
    /// An incoming webhook of Slack, or of what takes the same: `url`.
    Slack,
    /// JSON that is signed: `url` and `secret`.
    Webhook,
}

/// How an e-mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Begins in the clear and must go over to TLS before anything is said. Port 587 unless another is given.
    StartTls,
    /// TLS from the first byte. Port 465 unless another is given.
    Implicit,
    /// In the clear. Port 25 unless another is given. A password is not sent so beyond this machine.
    None,
}

/// Somebody who may be told, as it is configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// How.
    pub kind: Kind,
    /// Of Slack and webhooks: where to; a secret, because who knows it may write there.
    #[serde(default, serialize_with = "masked")]
    pub url: Option<SecretString>,
    /// Of webhooks: what messages are signed with, `whsec_` and Base64 of 24 to 64 bytes, or these as they are.
    #[serde(default, serialize_with = "masked")]
    pub secret: Option<SecretString>,
    /// Of e-mail: the server.
    #[serde(default)]
    pub host: Option<String>,
    /// Of e-mail: its port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Of e-mail: `starttls`, but `none` for this machine.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Of e-mail: who says it.
    #[serde(default)]
    pub user: Option<String>,
    /// Of e-mail: that user's.
    #[serde(default, serialize_with = "masked")]
    pub password: Option<SecretString>,
    /// Of e-mail: the sender, such as `Orchestrator <orchestrator@example.org>`.
    #[serde(default)]
    pub from: Option<String>,
    /// Of e-mail: to whom, up to 50.
    #[serde(default)]
    pub to: Vec<String>,
}

/// A destination that was checked.
#[derive(Debug)]
pub(crate) enum Target {
    Email(Mailing),
    Slack { url: SecretString, host: String },
    Webhook { url: SecretString, host: String, signer: Signer },
}

/// How an e-mail is sent.
#[derive(Debug)]
pub(crate) struct Mailing {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) tls: Tls,
    pub(crate) login: Option<(String, SecretString)>,
    pub(crate) from: Mailbox,
    pub(crate) to: Vec<Mailbox>,
}

/// The key, and what would be right.
type Problem = (&'static str, String);

impl Kind {
    /// As it is spelled.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
        }
    }
}

impl Target {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Email(_) => Kind::Email,
            Self::Slack { .. } => Kind::Slack,
            Self::Webhook { .. } => Kind::Webhook,
        }
    }

    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Email(mailing) => &mailing.host,
            Self::Slack { host, .. } | Self::Webhook { host, .. } => host,
        }
    }
}

impl Destination {
    /// One of this kind, with nothing in it.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            url: None,
            secret: None,
            host: None,
            port: None,
            tls: None,
            user: None,
            password: None,
            from: None,
            to: Vec::new(),
        }
    }

    /// What must not be shown, by its key.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &SecretString)> {
        let all = [("url", &self.url), ("secret", &self.secret), ("password", &self.password)];
        all.into_iter().filter_map(|(key, secret)| Some((key, secret.as_ref()?)))
    }

    /// The host that is spoken to; `None` if it is configured wrongly.
    pub fn spoken_to(&self) -> Option<String> {
        Some(self.target().ok()?.host().to_owned())
    }

    pub(crate) fn target(&self) -> Result<Target, Problem> {
        let is_email = self.kind == Kind::Email;
        for (key, is_given, belongs) in [
            ("url", self.url.is_some(), !is_email),
            ("secret", self.secret.is_some(), self.kind == Kind::Webhook),
            ("host", self.host.is_some(), is_email),
            ("port", self.port.is_some(), is_email),
            ("tls", self.tls.is_some(), is_email),
            ("user", self.user.is_some(), is_email),
            ("password", self.password.is_some(), is_email),
            ("from", self.from.is_some(), is_email),
            ("to", !self.to.is_empty(), is_email),
        ] {
            if is_given && !belongs {
                return Err((key, format!("is nothing of the kind `{}`", self.kind.as_str())));
            }
        }
        match self.kind {
            Kind::Email => self.mailing().map(Target::Email),
            Kind::Slack => self.address().map(|(url, host)| Target::Slack { url, host }),
            Kind::Webhook => {
                let (url, host) = self.address()?;
                let secret = self.secret.as_ref().ok_or_else(|| ("secret", "expected what to sign with".to_owned()))?;
                let signer = Signer::new(secret).map_err(|wrong| ("secret", wrong.to_string()))?;
                Ok(Target::Webhook { url, host, signer })
            }
        }
    }

    /// Messages name no part of it: all of it may be secret.
    fn address(&self) -> Result<(SecretString, String), Problem> {
        let wrong = || ("url", "expected http://… or https://…, without user and password".to_owned());
        let text = self.url.as_ref().ok_or_else(wrong)?;
        let url = Url::parse(text.expose_secret()).map_err(|_| wrong())?;
        let is_fit = ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|_| is_fit).ok_or_else(wrong)?;
        Ok((text.clone(), host.to_owned()))
    }

    fn mailing(&self) -> Result<Mailing, Problem> {
        let missing = |key| (key, "expected one for an e-mail".to_owned());
        let mailbox = |key: &'static str, text: &str| -> Result<Mailbox, Problem> {
            text.parse().map_err(|_| (key, "expected an address such as Ops <ops@example.org>".to_owned()))
        };
        let host = self.host.clone().filter(|host| !host.is_empty()).ok_or_else(|| missing("host"))?;
        let from = mailbox("from", self.from.as_deref().ok_or_else(|| missing("from"))?)?;
        if !(1..=TO_MAX).contains(&self.to.len()) {
            return Err(("to", format!("expected 1 to {TO_MAX} addresses")));
        }
        let to = self.to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
        let is_here = is_this_machine(&host);
        let tls = self.tls.unwrap_or(if is_here { Tls::None } else { Tls::StartTls });
        let login = match (&self.user, &self.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            _ => return Err(("password", "expected user and password together or not at all".to_owned())),
        };
        if login.is_some() && tls == Tls::None && !is_here {
            return Err(("tls", "expected `starttls` or `implicit`: a password would travel in the clear".to_owned()));
        }
        Ok(Mailing { host, port: self.port, tls, login, from, to })
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether it is set, and nothing else.
fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<&str, &str>) {
        let destination: Destination = serde_json::from_str(json).unwrap();
        let found = destination.target();
        match (&found, expected) {
            (Ok(target), Ok(host)) => assert_eq!(target.host(), host),
            (Err((key, _)), Err(expected)) => assert_eq!(*key, expected, "{found:?}"),
            _ => panic!("{json}: {found:?}"),
        }
    }

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn each_kind_has_what_it_needs_and_nothing_else() {
        check(r#"{"kind":"slack","url":"https://hooks.example/x"}"#, Ok("hooks.example"));
        check(r#"{"kind":"slack"}"#, Err("url"));
        check(r#"{"kind":"slack","url":"https://u:p@hooks.example/x"}"#, Err("url"));
        check(r#"{"kind":"slack","url":"ftp://a"}"#, Err("url"));
        check(r#"{"kind":"slack","url":"https://a","secret":"x"}"#, Err("secret"));
        check(r#"{"kind":"webhook","url":"https://a"}"#, Err("secret"));
        check(r#"{"kind":"webhook","url":"https://a","secret":"short"}"#, Err("secret"));
        check(&format!(r#"{{"kind":"webhook","url":"https://a.example/b","secret":"{SECRET}"}}"#), Ok("a.example"));
        check(r#"{"kind":"webhook","url":"https://a","to":["a@b.example"]}"#, Err("to"));
        check(r#"{"kind":"email","url":"https://a"}"#, Err("url"));
    }

    #[test]
    fn an_e_mail_goes_over_tls_and_a_password_never_goes_without() {
        let email = |more: &str| format!(r#"{{"kind":"email","from":"A <a@b.example>","to":["c@d.example"]{more}}}"#);
        check(&email(r#","host":"mail.example""#), Ok("mail.example"));
        check(&email(""), Err("host"));
        check(&email(r#","host":"m","user":"u""#), Err("password"));
        check(&email(r#","host":"m","user":"u","password":"p","tls":"none""#), Err("tls"));
        check(&email(r#","host":"127.0.0.1","user":"u","password":"p""#), Ok("127.0.0.1"));
        check(r#"{"kind":"email","host":"m","from":"nobody","to":["c@d.example"]}"#, Err("from"));
        check(r#"{"kind":"email","host":"m","from":"a@b.example","to":[]}"#, Err("to"));
        let tls = |host: &str| {
            let destination: Destination = serde_json::from_str(&email(&format!(r#","host":"{host}""#))).unwrap();
            destination.mailing().unwrap().tls
        };
        assert_eq!((tls("mail.example"), tls("localhost"), tls("[::1]")), (Tls::StartTls, Tls::None, Tls::None));
    }

    #[test]
    fn secrets_are_neither_printed_nor_serialised() {
        let json = r#"{"kind":"webhook","url":"https://topsecret.example","secret":"topsecret"}"#;
        let destination: Destination = serde_json::from_str(json).unwrap();
        let shown = format!("{destination:?}{}", serde_json::to_string(&destination).unwrap());
        assert!(!shown.contains("topsecret") && shown.contains("***"), "{shown}");
        assert_eq!(destination.secrets().map(|(key, _)| key).collect::<Vec<_>>(), ["url", "secret"]);
    }
}

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::find::{Finder, Span};
use crate::{Stream, json};

/// Secrets shorter than this (in bytes) are not looked for: they would be found all over innocent text, and who can
/// see which words are missing can guess them.
pub const LENGTH_MIN: usize = 8;

/// Replaces secrets in text by `[redacted:name]`.
///
/// A cheap clone; all clones know the same secrets, also those added later. Safe to call from anywhere: it neither
/// logs nor waits, except for the moment in which a secret is being added.
#[derive(Clone)]
pub struct Redactor {
    shared: Arc<RwLock<Shared>>,
}

struct Shared {
    secrets: Vec<Named<SecretString>>,
    has_personal: bool,
    finder: Arc<Finder>,
}

#[derive(Clone)]
pub(crate) struct Named<T> {
    pub(crate) name: String,
    pub(crate) value: T,
}

/// The secret is shorter than [`LENGTH_MIN`] and is not looked for: use a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooShort {
    /// Of the secret.
    pub name: String,
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret {} is shorter than {LENGTH_MIN} bytes and cannot be kept out of the output", self.name)
    }
}

impl std::error::Error for TooShort {}

/// Collects secrets; see [`Redactor::builder`].
#[derive(Default)]
pub struct Builder {
    secrets: Vec<Named<SecretString>>,
    too_short: Vec<TooShort>,
    has_personal: bool,
}

impl Builder {
    /// A secret and the name that takes its place.
    #[must_use]
    pub fn secret(mut self, name: &str, secret: &SecretString) -> Self {
        match named(name, secret) {
            Ok(secret) => self.secrets.push(secret),
            Err(too_short) => self.too_short.push(too_short),
        }
        self
    }

    /// Also replaces numbers of payment cards and bank accounts (IBAN) whose check digits are right. Leave it out where
    /// such numbers have to stay readable: one in ten numbers of 16 digits that begin as a card's do passes the check.
    #[must_use]
    pub fn personal_data(mut self) -> Self {
        self.has_personal = true;
        self
    }

    /// The secrets that are too short to be looked for. Warn of them.
    #[must_use]
    pub fn too_short(&self) -> &[TooShort] {
        &self.too_short
    }

    /// A redactor for these secrets and the built-in patterns.
    #[must_use]
    pub fn build(self) -> Redactor {
        let Self { secrets, has_personal, .. } = self;
        let finder = Arc::new(Finder::new(&secrets, has_personal));
        Redactor { shared: Arc::new(RwLock::new(Shared { secrets, has_personal, finder })) }
    }
}

fn named(name: &str, secret: &SecretString) -> Result<Named<SecretString>, TooShort> {
    // The name is printed between brackets, into whatever format the text has.
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let name: String = name.chars().map(plain).collect();
    if secret.expose_secret().len() < LENGTH_MIN {
        return Err(TooShort { name });
    }
    Ok(Named { name, value: secret.clone() })
}

impl Default for Redactor {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Redactor {
    /// Starts with the built-in patterns and no secrets.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Adds a secret that was made or loaded later. It holds for every clone and stream from their next call on.
    /// This rebuilds what is looked for: do it at start or when a secret changes, not per request.
    ///
    /// # Errors
    /// [`TooShort`] if it cannot be looked for.
    pub fn add(&self, name: &str, secret: &SecretString) -> Result<(), TooShort> {
        let secret = named(name, secret)?;
        // Both fields are replaced at the end, so a panic elsewhere leaves them whole.
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let mut secrets = shared.secrets.clone();
        secrets.push(secret);
        let has_personal = shared.has_personal;
        *shared = Shared { finder: Arc::new(Finder::new(&secrets, has_personal)), secrets, has_personal };
        Ok(())
    }

    /// The text with every secret replaced; borrowed if there is none.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let finder = self.finder();
        let spans = finder.find(text, 0, true, None).spans;
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut redacted = String::with_capacity(text.len());
        write_redacted(&mut redacted, text, 0, text.len(), &spans);
        Cow::Owned(redacted)
    }

    /// Whether a secret that it was given is in the text. What only looks like one does not count.
    #[must_use]
    pub fn is_told_in(&self, text: &str) -> bool {
        self.finder().find(text, 0, true, None).spans.iter().any(|span| span.is_exact)
    }

    /// The value with every secret replaced in texts, keys and numbers (a number with a secret becomes text).
    #[must_use]
    pub fn redact_json(&self, value: Value) -> Value {
        json::redact(self, value)
    }

    /// For text that comes in pieces: a secret that is split over them is found too.
    pub fn stream(&self) -> Stream {
        Stream::new(self.clone())
    }

    pub(crate) fn finder(&self) -> Arc<Finder> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner).finder)
    }
}

/// Appends `text[from..to]`, with spans replaced that begin in it. Returns how far the last of them reaches.
pub(crate) fn write_redacted(out: &mut String, text: &str, from: usize, to: usize, spans: &[Span<'_>]) -> usize {
    let mut at = from;
    // What is covered already begins at `from`, which may be `to`.
    for span in spans.iter().take_while(|span| span.start < to || span.name.is_none()) {
        out.push_str(&text[at..span.start]);
        if let Some(name) = span.name {
            out.extend(["[redacted:", name, "]"]);
        }
        at = span.end;
    }
    if at < to {
        out.push_str(&text[at..to]);
    }
    at.max(to)
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("too_short", &self.too_short).finish_non_exhaustive()
    }
}

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

type Hook = dyn for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync;

/// What every line of the log and every page of metrics goes through before it leaves the process.
#[derive(Clone)]
pub struct Redaction(Arc<Hook>);

impl Redaction {
    /// Uses this function. It must not log: it runs while a line is being written.
    pub fn new(hook: impl for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// Changes nothing. For programs without secrets.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|text| Cow::Borrowed(text))
    }

    pub(crate) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        (self.0)(text)
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redaction")
    }
}

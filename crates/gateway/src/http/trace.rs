use http::HeaderMap;
use http::header::HeaderValue;

use crate::shared::RequestId;

/// The trace a request belongs to: the one its `traceparent` (W3C Trace Context) names, or one that begins here.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// As a `traceparent`: the span is this request's own.
    own: String,
    /// What the calls of this request go on with: the caller's span, or this request's if the trace begins here.
    pub(crate) parent: String,
    /// Whether it begins here.
    pub(crate) is_fresh: bool,
}

/// `00-` and 32 digits and `-`.
const TRACE_ID: std::ops::Range<usize> = 3..35;

impl Trace {
    /// What does not parse, or stands there twice, begins a new trace, as the recommendation wants it.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(NAME).iter();
        let only = given.next().filter(|_| given.next().is_none());
        let fresh = digits();
        let known = only.and_then(|value| parsed(value.as_bytes()));
        let is_fresh = known.is_none();
        // The last half of our ids is random.
        let span = &fresh[16..];
        let (trace, caller, flags) = known.unwrap_or((&fresh, span, "01"));
        let context = |span: &str| format!("00-{trace}-{span}-{flags}");
        Self { own: context(span), parent: context(caller), is_fresh }
    }

    /// Names the trace.
    pub(crate) fn id(&self) -> &str {
        &self.own[TRACE_ID]
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.own).expect("hexadecimal digits and dashes")
    }
}

/// The header's name.
pub(crate) const NAME: &str = "traceparent";

fn digits() -> String {
    let id = RequestId::new().to_string();
    id.rsplit('_').next().unwrap_or_default().to_owned()
}

/// The trace id, the caller's span and the flags. Of a version after `00` the known fields are read and the rest is ignored.
fn parsed(header: &[u8]) -> Option<(&str, &str, &str)> {
    let text = std::str::from_utf8(header).ok()?;
    let mut fields = text.split('-');
    let mut field = |length: usize| fields.next().filter(|field| field.len() == length && field.bytes().all(is_hex));
    let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let has_more = fields.next().is_some();
    let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
    let is_known = version != "ff" && (version != "00" || !has_more);
    (is_known && !is_zero(trace) && !is_zero(span)).then_some((trace, span, flags))
}

fn is_hex(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn of(values: &[&str]) -> Trace {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, value.parse().unwrap());
        }
        Trace::of(&headers)
    }

    #[test]
    fn a_trace_goes_on_in_a_span_of_its_own() {
        let trace = of(&[GIVEN]);
        assert_eq!(trace.id(), &GIVEN[3..35]);
        assert!(trace.own.ends_with("-00") && trace.own[36..52] != GIVEN[36..52], "{}", trace.own);
        assert_eq!(trace.parent, GIVEN, "calls go on where the caller is");
        assert_eq!(of(&["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"]).id(), &GIVEN[3..35]);
    }

    #[test]
    fn what_is_no_traceparent_begins_a_trace() {
        let upper = GIVEN.to_uppercase();
        let zeros = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        for values in [&[][..], &["nonsense"], &[&upper], &[&zeros], &[&format!("{GIVEN}-x")], &[GIVEN, GIVEN]] {
            let trace = of(values);
            assert!(parsed(trace.parent.as_bytes()).is_some(), "{}", trace.parent);
            assert_ne!(trace.id(), &GIVEN[3..35], "{values:?}");
        }
    }
}

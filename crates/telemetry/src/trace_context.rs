use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

/// Which trace a piece of work belongs to: the `traceparent` of W3C Trace Context, level 1.
///
/// It prints as version `00`. Parsing follows the recommendation: lowercase hex only, ids of zeros are invalid,
/// version `ff` is invalid, and of a version after `00` the four known fields are read and the rest is ignored.
/// A caller whose header does not parse should go on with [`TraceContext::root`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace.
    pub trace_id: NonZeroU128,
    /// The span that caused this work.
    pub parent_id: NonZeroU64,
    /// Whether the caller records the trace.
    pub sampled: bool,
}

/// The text is no `traceparent`. It is not repeated here: it comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent: expected 00-<32 hex>-<16 hex>-<2 hex>, lowercase, ids not zero")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// The start of a new, sampled trace.
    #[must_use]
    pub fn root() -> Self {
        let trace_id = NonZeroU128::from(random()) | u128::from(random().get()).rotate_left(64);
        Self { trace_id, parent_id: random(), sampled: true }
    }

    /// A new span in the same trace: what to send along to whoever does a part of this work.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { parent_id: random(), ..*self }
    }

    /// Sampled or not, so that this part of all traces is: 0 none, 1 all. A trace is judged by its id alone, so every
    /// program judges it alike; of the id, the last 56 bits are taken to be random.
    #[must_use]
    pub fn sampled_at(&self, ratio: f64) -> Self {
        const BITS: u32 = 56;
        let random = self.trace_id.get() & ((1 << BITS) - 1);
        // Both are exact: 56 bits are cut to the 53 of a float on either side of the comparison.
        let sampled = ratio > 0.0 && (random as f64) < ratio * (1_u64 << BITS) as f64;
        Self { sampled: sampled || ratio >= 1.0, ..*self }
    }
}

/// From the hasher's random keys: ids have to be different, they need not be secret.
fn random() -> NonZeroU64 {
    loop {
        if let Some(number) = NonZeroU64::new(RandomState::new().hash_one(())) {
            return number;
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        const LENGTH: usize = 55;
        let known = text.get(..LENGTH).ok_or(InvalidTraceContext)?;
        let mut fields = known.split('-');
        let mut field = |length: usize| {
            let field = fields.next().filter(|field| field.len() == length && field.bytes().all(is_hex));
            field.ok_or(InvalidTraceContext)
        };
        let (version, trace_id, parent_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let rest_is_allowed = match version {
            "ff" => false,
            "00" => text.len() == LENGTH,
            _ => text.len() == LENGTH || text[LENGTH..].starts_with('-'),
        };
        if !rest_is_allowed {
            return Err(InvalidTraceContext);
        }
        let trace_id = u128::from_str_radix(trace_id, 16).ok().and_then(NonZeroU128::new);
        let parent_id = u64::from_str_radix(parent_id, 16).ok().and_then(NonZeroU64::new);
        let flags = u8::from_str_radix(flags, 16).map_err(|_| InvalidTraceContext)?;
        Ok(Self {
            trace_id: trace_id.ok_or(InvalidTraceContext)?,
            parent_id: parent_id.ok_or(InvalidTraceContext)?,
            sampled: flags & 1 == 1,
        })
    }
}

fn is_hex(letter: u8) -> bool {
    letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_traceparent_survives_reading_and_printing() {
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let context: TraceContext = text.parse().unwrap();
            assert_eq!((context.to_string(), context.sampled), (text, flags == "01"));
        }
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("00-{TRACE}-{SPAN}--1"),
            format!("00-{}é-{SPAN}-01", &TRACE[..30]),
            "é".repeat(40),
        ] {
            assert_eq!(text.parse::<TraceContext>(), Err(InvalidTraceContext), "{text}");
        }
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        let context: TraceContext = format!("cc-{TRACE}-{SPAN}-03-more").parse().unwrap();
        assert_eq!(context.to_string(), format!("00-{TRACE}-{SPAN}-01"));
    }

    #[test]
    fn a_part_of_all_traces_is_sampled() {
        let sampled = |ratio| (0..2_000).filter(|_| TraceContext::root().sampled_at(ratio).sampled).count();
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 2_000));
        assert!((800..1_200).contains(&sampled(0.5)));
        let one = TraceContext::root();
        assert_eq!(one.sampled_at(0.3), one.child().sampled_at(0.3).with_parent(one.parent_id));
    }

    impl TraceContext {
        fn with_parent(self, parent_id: NonZeroU64) -> Self {
            Self { parent_id, ..self }
        }
    }

    #[test]
    fn a_child_stays_in_the_trace() {
        let root = TraceContext::root();
        let child = root.child();
        assert_eq!((child.trace_id, child.sampled), (root.trace_id, true));
        assert_ne!(child.parent_id, root.parent_id);
        assert_ne!(TraceContext::root().trace_id, root.trace_id);
        assert_eq!(root.to_string().parse(), Ok(root));
    }
}

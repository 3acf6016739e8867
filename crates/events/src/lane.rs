/// How urgent a message is. What waits for one subscriber leaves in this order, and is given up in the reverse order.
///
/// Stored events always keep the order of their numbers, so all of them are [`Normal`](Self::Normal): lanes sort what is
/// live only around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// About the connection itself: it overtakes everything.
    Control,
    /// Everything else.
    Normal,
    /// Pieces of output (`stream.*`, and `tool.*` among them): many, and the first to be dropped, with a gap.
    Log,
}

/// The first segments of the names of pieces of output.
#[cfg(feature = "sql")]
pub(crate) const OUTPUT: [&str; 2] = ["stream", "tool"];

impl Lane {
    /// The lane of everything of this name.
    pub fn of(name: &str) -> Self {
        match name {
            "stream.gap" => Self::Normal,
            _ if name.starts_with("connection.") => Self::Control,
            // What an agent says and what it does keep their order.
            _ if name.starts_with("stream.") || name.starts_with("tool.") => Self::Log,
            _ => Self::Normal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_the_least_urgent_and_what_is_missing_is_not_output() {
        let lanes = [
            "connection.rateLimit",
            "connection.reconnect",
            "task.created",
            "stream.gap",
            "stream.chunk",
            "stream.end",
            "tool.result",
            "streams.a",
        ];
        let expected = {
            use Lane::{Control, Log, Normal};
            [Control, Control, Normal, Normal, Log, Log, Log, Normal]
        };
        assert_eq!(lanes.map(Lane::of), expected);
        assert!(Lane::Control < Lane::Normal && Lane::Normal < Lane::Log);
    }
}

use orchestrator_transcript::Usage;

use crate::Ttl;
use crate::wire::{Creation, UsageCount};

/// What was used so far. The protocol's `input_tokens` are those that no cache has anything to do with, as ours are.
#[derive(Debug)]
pub(super) struct Tally {
    usage: Usage,
    written: u64,
    by_age: Option<Creation>,
    ttl: Ttl,
}

impl Tally {
    /// `ttl` is for how long was asked to keep things; it is believed where the provider tells only one number.
    pub(super) fn new(ttl: Ttl) -> Self {
        Self { usage: Usage::default(), written: 0, by_age: None, ttl }
    }

    /// Takes what is told, each number all so far, and gives the whole.
    pub(super) fn add(&mut self, count: UsageCount) -> Usage {
        let reasoning = count.output_tokens_details.and_then(|details| details.thinking_tokens);
        let replace = |old: &mut u64, new: Option<u64>| *old = new.unwrap_or(*old);
        replace(&mut self.usage.input, count.input_tokens);
        replace(&mut self.usage.cache_read, count.cache_read_input_tokens);
        replace(&mut self.usage.output, count.output_tokens);
        replace(&mut self.usage.reasoning, reasoning);
        replace(&mut self.written, count.cache_creation_input_tokens);
        self.by_age = count.cache_creation.or(self.by_age);
        (self.usage.cache_write_5m, self.usage.cache_write_1h) = self.written_by_age();
        self.usage
    }

    /// Only the first event says how it is divided. What has come since is divided as it was asked.
    fn written_by_age(&self) -> (u64, u64) {
        let (short, long) =
            self.by_age.map_or((0, 0), |by| (by.ephemeral_5m_input_tokens, by.ephemeral_1h_input_tokens));
        let since = self.written.saturating_sub(short.saturating_add(long));
        match self.ttl {
            Ttl::FiveMinutes => (short.saturating_add(since), long),
            Ttl::OneHour => (short, long.saturating_add(since)),
        }
    }
}

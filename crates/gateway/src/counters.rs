use std::sync::atomic::{AtomicU64, Ordering};

/// One number that is only ever read as a whole.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the gateway counts, for whoever exports metrics. Read it with [`Counters::snapshot`].
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) connections: Counter,
    pub(crate) connections_open: Counter,
    pub(crate) websockets: Counter,
    pub(crate) websockets_open: Counter,
    pub(crate) refused_total: Counter,
    pub(crate) refused_address: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) tls_failed: Counter,
    pub(crate) accept_failed: Counter,
    pub(crate) requests: Counter,
    pub(crate) logins_failed: Counter,
    pub(crate) rate_limited: Counter,
    pub(crate) origin_refused: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) messages_out: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) events_dropped: Counter,
    pub(crate) slow_readers: Counter,
    pub(crate) panics: Counter,
}

/// The [`Counters`] at one moment. All only grow, except the two that say `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now, WebSockets included.
    pub connections_open: u64,
    /// Connections that became WebSockets.
    pub websockets: u64,
    /// WebSockets open now.
    pub websockets_open: u64,
    /// Connections refused because there were too many in total.
    pub refused_total: u64,
    /// Connections refused because there were too many of one address.
    pub refused_address: u64,
    /// Connections closed because the peer was too slow with a byte, a header or a read.
    pub timed_out: u64,
    /// TLS handshakes that failed or took too long.
    pub tls_failed: u64,
    /// Errors of `accept`, such as running out of file descriptors.
    pub accept_failed: u64,
    /// HTTP requests, upgrades included.
    pub requests: u64,
    /// Credentials refused.
    pub logins_failed: u64,
    /// Requests and upgrades refused by the limits per address.
    pub rate_limited: u64,
    /// Requests refused for their `Host` or `Origin`.
    pub origin_refused: u64,
    /// WebSocket messages received.
    pub messages_in: u64,
    /// WebSocket messages sent.
    pub messages_out: u64,
    /// Bytes of WebSocket messages received.
    pub bytes_in: u64,
    /// Bytes of WebSocket messages sent.
    pub bytes_out: u64,
    /// Log-like events not sent to a slow reader; it got a gap instead.
    pub events_dropped: u64,
    /// WebSockets closed because their reader was too slow.
    pub slow_readers: u64,
    /// Panics caught in a handler or a page.
    pub panics: u64,
}

impl Counters {
    /// All numbers, each read on its own.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            connections: self.connections.get(),
            connections_open: self.connections_open.get(),
            websockets: self.websockets.get(),
            websockets_open: self.websockets_open.get(),
            refused_total: self.refused_total.get(),
            refused_address: self.refused_address.get(),
            timed_out: self.timed_out.get(),
            tls_failed: self.tls_failed.get(),
            accept_failed: self.accept_failed.get(),
            requests: self.requests.get(),
            logins_failed: self.logins_failed.get(),
            rate_limited: self.rate_limited.get(),
            origin_refused: self.origin_refused.get(),
            messages_in: self.messages_in.get(),
            messages_out: self.messages_out.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            events_dropped: self.events_dropped.get(),
            slow_readers: self.slow_readers.get(),
            panics: self.panics.get(),
        }
    }
}

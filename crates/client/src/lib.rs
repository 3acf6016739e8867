//! The Rust client: typed calls, subscriptions, and reconnection with jittered backoff.

//! Named long-running loops: restarted with backoff, stopped within a deadline.

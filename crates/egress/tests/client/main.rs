//! What a client does, seen from both ends: by its caller and by the servers that it reaches.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a test that fails")]

mod addresses;
mod bounds;
mod support;

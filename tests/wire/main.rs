//! What goes over the socket: the four dialects, and the WebSocket beneath them.

mod dialects;
mod frames;
mod raw;
mod transcripts;

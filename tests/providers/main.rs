//! Models of the vendors through the socket: whole conversations against a server that speaks like them, and one whose faults
//! are written down.

mod aimock;
mod anthropic;
mod asking;
mod cassette;
mod environment;
mod openai;
mod sessions;
mod upstream;
mod weather;

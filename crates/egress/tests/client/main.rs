//! What a client does, seen from both ends: by its caller and by the servers that it reaches.

mod addresses;
mod bounds;
mod support;

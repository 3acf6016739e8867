//! One span-aware parser per file format, each making the same tree.

pub(crate) mod json;
pub(crate) mod toml;
pub(crate) mod yaml;

/// Deeper than any configuration, and shallow enough for any stack.
const DEPTH_MAX: usize = 64;

//! Programs whose arguments no table describes.

mod code;
mod find;
mod git;
pub(crate) mod shells;
mod words;
mod xargs;

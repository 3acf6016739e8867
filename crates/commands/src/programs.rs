//! Programs whose arguments no table describes.

mod code;
mod find;
mod git;
mod shells;
mod words;
mod xargs;

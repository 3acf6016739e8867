//! Skills as they lie in directories: nothing leads out, nothing is without bound, and only plain files count.

mod contents;
mod roots;

pub(crate) use contents::{read, read_again};
pub(crate) use roots::{Found, find};

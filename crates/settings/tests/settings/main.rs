//! Everything is tested through `Loader` and `Environment`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod errors;
mod loading;
mod precedence;

//! Everything is tested through `Loader` and `Environment`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod loading;
mod errors;
mod precedence;

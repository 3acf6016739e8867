//! The smallest program that can be the launcher, for the tests of this crate.

use std::process::ExitCode;

use orchestrator_confine::{CONFINE, PROBE, attempt_all, confine_and_exec};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == CONFINE => {
            let error = confine_and_exec(arguments);
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("{error}{source}");
            ExitCode::from(error.exit_code())
        }
        Some(first) if first == PROBE => {
            let argument = arguments.next().unwrap_or_default();
            println!("{}", attempt_all(&argument.to_string_lossy()).expect("the test says what to try"));
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

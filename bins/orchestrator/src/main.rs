//! The command line of the orchestrator daemon: create tasks, follow them live, look after agents, schedules and tokens.
//!
//! Every command but `init`, `completions`, `service` and `doctor` is one or a few calls over the daemon's WebSocket, by
//! [`orchestrator_client`]. Nothing is decided here: the daemon checks what it is asked, and this program shows what it
//! answers, as tables for people or as JSON for programs, and ends with a status that scripts can act on.

mod answer;
mod args;
mod bookmark;
mod commands;
mod connection;
mod daemon;
mod failure;
mod live;
mod out;
mod params;
mod sentence;
mod show;
mod sibling;
mod values;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::out::Out;

fn main() -> ExitCode {
    let args = Args::parse();
    let out = Out::new(&args.look);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::failed(format!("cannot start: {error}")).report(&out),
    };
    match runtime.block_on(commands::run(args, out.clone())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&out),
    }
}

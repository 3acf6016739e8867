use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::Error;
use crate::plan::Plan;

/// The first argument by which a program knows that it is to be the launcher.
pub const CONFINE: &str = "__confine";

/// After it, in the place of a program: whether a network of its own can be had is tried, and nothing else.
pub(crate) const TRY_NETWORK: &str = "--try-network";

/// Restricts this process as it is told, and becomes the program that it is told to. Call it before anything else, in a program
/// whose first argument is [`CONFINE`], with the arguments after that one. It returns only if that failed: say why, and end with
/// [`Error::exit_code`].
///
/// It must be the process's only thread: what it gives up, it gives up for the calling thread.
pub fn confine_and_exec(arguments: impl IntoIterator<Item = OsString>) -> Error {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.peek().is_some_and(|first| first == TRY_NETWORK) {
        match try_network() {
            Ok(()) => std::process::exit(0),
            Err(error) => return error,
        }
    }
    match prepare(arguments) {
        Err(error) => error,
        Ok((mut command, program)) => Error::Execute { program, source: command.exec() },
    }
}

fn prepare(arguments: impl IntoIterator<Item = OsString>) -> Result<(Command, OsString), Error> {
    let (plan, variables) = Plan::unwrap(std::env::vars_os())?;
    let mut arguments = arguments.into_iter();
    let (Some(path), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err(Error::Plan("it is told no program".to_owned()));
    };
    let mut command = Command::new(&path);
    command.arg0(name).args(arguments).env_clear().envs(variables);
    restrict(&plan)?;
    Ok((command, path))
}

#[cfg(target_os = "linux")]
fn restrict(plan: &Plan) -> Result<(), Error> {
    crate::linux::restrict(plan)
}

#[cfg(target_os = "linux")]
fn try_network() -> Result<(), Error> {
    crate::linux::try_network()
}

#[cfg(not(target_os = "linux"))]
fn try_network() -> Result<(), Error> {
    Err(Error::Missing("a network of its own is for Linux".to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn restrict(_: &Plan) -> Result<(), Error> {
    Err(Error::Missing("the launcher is for Linux".to_owned()))
}

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::Error;
use crate::plan::Plan;

/// The first argument by which a program knows that it is to be the launcher.
pub const CONFINE: &str = "__confine";

/// Restricts this process as it is told, and becomes the program that it is told to. Call it before anything else, in a program
/// whose first argument is [`CONFINE`], with the arguments after that one. It returns only if that failed: say why, and end with
/// [`Error::exit_code`].
///
/// It must be the process's only thread: what it gives up, it gives up for the calling thread.
pub fn confine_and_exec(arguments: impl IntoIterator<Item = OsString>) -> Error {
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

#[cfg(not(target_os = "linux"))]
fn restrict(_: &Plan) -> Result<(), Error> {
    Err(Error::Missing("the launcher is for Linux".to_owned()))
}

//! Makes a machine able to build and test: by package names and versions, never by address.

use anyhow::{Context, Result, bail};

use crate::environment::find_program;
use crate::run::Run;
use crate::services::Services;
use crate::workspace::Workspace;

/// A cargo subcommand from the registry.
struct Subcommand {
    name: &'static str,
    /// What is installed where it is missing; another version that is there already is used as it is.
    version: &'static str,
}

const NEXTEST: Subcommand = Subcommand { name: "nextest", version: "0.9.143" };
const DENY: Subcommand = Subcommand { name: "deny", version: "0.20.2" };
const LLVM_COV: Subcommand = Subcommand { name: "llvm-cov", version: "0.9.1" };

/// Everything; `wants_all` adds what only some commands use.
pub(crate) fn run(workspace: &Workspace, wants_all: bool) -> Result<()> {
    toolchain()?;
    c_compiler()?;
    for_tests()?;
    if wants_all {
        install(&DENY)?;
        for_coverage()?;
    }
    Services::prepare(workspace)?;
    println!("ready: `cargo xtask check`, `cargo xtask test`");
    Ok(())
}

/// What `cargo xtask test` cannot do without.
pub(crate) fn for_tests() -> Result<()> {
    install(&NEXTEST)
}

pub(crate) fn for_coverage() -> Result<()> {
    install(&LLVM_COV)?;
    if find_program("rustup", &[]).is_some() {
        Run::new("rustup").args(["component", "add", "llvm-tools"]).run()?;
    }
    Ok(())
}

/// rustup reads `rust-toolchain.toml`; without rustup the components must be there.
fn toolchain() -> Result<()> {
    println!("{}", Run::new("rustc").arg("--version").quiet().output()?.trim_end());
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if Run::cargo([program, "--version"]).succeeds() {
            continue;
        }
        if find_program("rustup", &[]).is_none() {
            bail!("`cargo {program}` is missing: install the component {component} of the Rust toolchain");
        }
        Run::new("rustup").args(["component", "add", component]).run()?;
    }
    Ok(())
}

/// ring and SQLite are built from C.
fn c_compiler() -> Result<()> {
    let compilers = ["cc", "clang", "gcc"];
    let found = compilers.iter().find_map(|name| find_program(name, &[]));
    let found =
        found.context("no C compiler: install `build-essential` (Debian, Ubuntu) or the Xcode command line tools")?;
    println!("C compiler: {}", found.display());
    Ok(())
}

fn install(subcommand: &Subcommand) -> Result<()> {
    let version = Run::cargo([subcommand.name, "--version"]).quiet().output();
    if let Ok(version) = version {
        println!("{}", version.lines().next().unwrap_or_default());
        return Ok(());
    }
    let package = format!("cargo-{}", subcommand.name);
    Run::cargo(["install", "--locked", &package, "--version", subcommand.version]).run()
}

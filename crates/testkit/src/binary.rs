use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// The built program of this name. Tests lie in `target/<profile>/deps`, benches beside the program.
///
/// # Errors
/// It is not built; the message says how to.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where am I?")?;
    let mut directory = own.parent().context("a program lies in a directory")?;
    if directory.ends_with("deps") {
        directory = directory.parent().context("deps lies in a directory")?;
    }
    let program = directory.join(name);
    ensure!(
        program.is_file(),
        "{} is not built: run `cargo xtask test`, or `cargo build --bins` (with --release for benches) first",
        program.display()
    );
    Ok(program)
}

//! What the distribution's base image brings, taken from this machine and from the distribution's packages.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::tools;
use crate::run::Run;

/// Those that programs expect to be there.
const DIRECTORIES: [(&str, u32); 6] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o755),
    ("tmp", 0o1777),
    ("usr/local/bin", 0o755),
    ("etc/ssl/certs", 0o755),
];

pub(super) fn directories(tree: &Path) -> Result<()> {
    for (name, mode) in DIRECTORIES {
        let path = tree.join(name);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    Ok(fs::write(tree.join("etc/group"), "root:x:0:\n")?)
}

/// Puts a program into the tree, with the shared libraries that this machine's loader finds for it.
pub(super) fn program(tree: &Path, program: &Path, into: &Path) -> Result<()> {
    copy(program, &inside(tree, into).join(program.file_name().context("a program has a name")?))?;
    let told = Run::new("ldd").arg(program).quiet().output()?;
    for library in libraries(&told) {
        copy(&library, &inside(tree, &library))?;
    }
    Ok(())
}

/// Paths in what `ldd` prints: behind an arrow, or the loader itself.
fn libraries(told: &str) -> Vec<PathBuf> {
    let words = told.lines().flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// The files of a package; for the certificates also what its installation makes of them.
pub(super) fn package(made: &Path, tree: &Path, name: &str) -> Result<()> {
    tools::unpack(made, name, tree)?;
    if name == "ca-certificates" {
        let mut bundle = String::new();
        certificates(&tree.join("usr/share/ca-certificates"), &mut bundle)?;
        fs::write(tree.join("etc/ssl/certs/ca-certificates.crt"), bundle)?;
    }
    Ok(())
}

fn certificates(directory: &Path, bundle: &mut String) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            certificates(&path, bundle)?;
        } else if path.extension().is_some_and(|ending| ending == "crt") {
            bundle.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// A link is followed: what it points to may not be there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// An absolute path, within the tree.
pub(super) fn inside(tree: &Path, path: &Path) -> PathBuf {
    tree.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_ldd_prints() {
        let told =
            "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        assert_eq!(libraries(told), [PathBuf::from("/lib/x/libc.so.6"), PathBuf::from("/lib64/ld-linux-x86-64.so.2")]);
        assert_eq!(libraries("\tstatically linked\n"), Vec::<PathBuf>::new());
    }
}

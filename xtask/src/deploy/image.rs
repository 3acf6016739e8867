//! The tree of files that a container would start in, from the instructions of the Dockerfile.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::dockerfile::{Account, Directory, Stage};
use super::{Places, base};
use crate::run::Run;

/// Answers where it lies; what was there before is gone.
pub(super) fn assemble(places: &Places, stage: &Stage) -> Result<PathBuf> {
    check_context(&places.root)?;
    let tree = places.made.join("image");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot empty {}", tree.display()))?;
    }
    base::directories(&tree)?;
    for package in &stage.packages {
        base::package(&places.made, &tree, package)?;
    }
    for (name, into) in &stage.programs {
        base::program(&tree, &places.programs.join(name), into)?;
    }
    for account in &stage.accounts {
        add(&tree, account)?;
    }
    for directory in &stage.directories {
        make(&tree, directory)?;
    }
    fs::create_dir_all(base::inside(&tree, &stage.working_directory))?;
    println!("image: {} programs, {} packages in {}", stage.programs.len(), stage.packages.len(), tree.display());
    Ok(tree)
}

fn add(tree: &Path, account: &Account) -> Result<()> {
    let Account { name, id, home } = account;
    let (file, line) = match home {
        Some(home) => ("etc/passwd", format!("{name}:x:{id}:{id}::{home}:/usr/sbin/nologin\n")),
        None => ("etc/group", format!("{name}:x:{id}:\n")),
    };
    let path = tree.join(file);
    let text = fs::read_to_string(&path)?;
    Ok(fs::write(&path, text + &line)?)
}

fn make(tree: &Path, directory: &Directory) -> Result<()> {
    let path = base::inside(tree, &directory.path);
    fs::create_dir_all(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(directory.mode))?;
    if let (Some(owner), true) = (directory.owner, is_root()?) {
        std::os::unix::fs::chown(&path, Some(owner), Some(owner))?;
    }
    Ok(())
}

pub(super) fn is_root() -> Result<bool> {
    Ok(Run::new("id").arg("-u").quiet().output()?.trim() == "0")
}

/// What the build stage needs is there, and not left out by `.dockerignore`.
fn check_context(root: &Path) -> Result<()> {
    let ignored = super::read(&root.join(".dockerignore"))?;
    let kept: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest: toml::Table = super::read(&root.join("Cargo.toml"))?.parse()?;
    let members =
        manifest.get("workspace").and_then(|workspace| workspace.get("members")).and_then(toml::Value::as_array);
    let members = members.context("Cargo.toml lists no members")?.iter().filter_map(toml::Value::as_str);
    let needed = members.map(|member| member.split('/').next().unwrap_or(member));
    for name in needed.chain(["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"]) {
        if !kept.contains(&name) || !root.join(name).exists() {
            bail!(".dockerignore leaves out `{name}`, which the build needs");
        }
    }
    Ok(())
}

//! The only place of `xtask` that reads the environment.

/// The value of a variable, or `None` if it is unset, empty or not text.
#[expect(clippy::disallowed_methods, reason = "xtask is configured by the environment, and `settings` is for products")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Variables that `cargo run` sets for this program and that no child may inherit: the builds that children start
/// would otherwise see other fingerprints than builds started by hand.
pub(crate) fn of_this_package() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| is_of_this_package(name))
}

fn is_of_this_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME" || name == "CARGO"
}

/// The full path of a program on the `PATH` or in one of `more` directories.
pub(crate) fn find_program(name: &str, more: &[std::path::PathBuf]) -> Option<std::path::PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let on_path: Vec<_> = std::env::split_paths(&path).collect();
    on_path.iter().chain(more).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_sets_for_this_program_is_recognised() {
        assert!(is_of_this_package("CARGO_PKG_NAME"));
        assert!(is_of_this_package("CARGO_MANIFEST_DIR"));
        assert!(!is_of_this_package("CARGO_TARGET_DIR"));
        assert!(!is_of_this_package("CARGO_TERM_COLOR"));
    }

    #[test]
    fn a_program_is_found_in_an_additional_directory() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("no-such-program-elsewhere");
        std::fs::write(&program, "").unwrap();
        let found = find_program("no-such-program-elsewhere", &[directory.path().to_owned()]);
        assert_eq!(found, Some(program));
        assert_eq!(find_program("no-such-program-elsewhere", &[]), None);
    }
}

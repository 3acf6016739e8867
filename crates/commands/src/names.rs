//! Names of programs.

/// Where programs are what they are called.
const STANDARD: &[&str] = &["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// The name without its directory, and whether that is none of the standard ones; nothing if there is no name.
pub(crate) fn of(program: &str) -> Option<(&str, bool)> {
    let (directory, name) = match program.rsplit_once('/') {
        Some((directory, name)) => (Some(directory), name),
        None => (None, program),
    };
    let is_elsewhere = directory.is_some_and(|directory| !STANDARD.contains(&directory));
    let is_name = !name.is_empty() && name != "." && name != "..";
    // `.` is a command of shells.
    (is_name || program == ".").then_some((name, is_elsewhere))
}

/// Without what tells its version apart: `python3.12` is `python`.
pub(crate) fn family(name: &str) -> &str {
    let stem = name.strip_suffix(".exe").unwrap_or(name);
    let short = stem.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == '-');
    if short.is_empty() { name } else { short }
}

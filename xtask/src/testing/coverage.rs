//! Which lines the tests reach: everything is built again, instrumented, into a directory of its own.

use anyhow::Result;

use crate::counts::Counts;
use crate::run::Run;
use crate::setup;
use crate::testing::{self, Options};
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, mut options: Options) -> Result<Counts> {
    setup::for_coverage()?;
    let target = workspace.target.join("coverage").to_string_lossy().into_owned();
    let place = [("CARGO_TARGET_DIR".to_owned(), target)];
    let environment = Run::cargo(["llvm-cov", "show-env"]).envs(&place).quiet().output()?;
    options.variables.extend(environment.lines().filter_map(variable));
    options.variables.extend(place);

    Run::cargo(["llvm-cov", "clean", "--workspace", "--profraw-only"]).envs(&options.variables).run()?;
    testing::build(&options.variables)?;
    let counts = testing::nextest(&options)?;
    Run::cargo(["llvm-cov", "report", "--html"]).envs(&options.variables).run()?;
    Run::cargo(["llvm-cov", "report", "--summary-only"]).envs(&options.variables).run()?;
    Ok(counts)
}

/// A line `NAME='value'` or `NAME="value"`.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().strip_prefix("export ").unwrap_or(line.trim()).split_once('=')?;
    let value = value.trim_end_matches(';').trim();
    let unquoted = ['\'', '"'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some((name.to_owned(), unquoted.unwrap_or(value).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn variables_are_read_with_and_without_quotes() {
        let is = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(
            variable("RUSTFLAGS='-C instrument-coverage --cfg=coverage'"),
            is("RUSTFLAGS", "-C instrument-coverage --cfg=coverage")
        );
        assert_eq!(variable("export CARGO_LLVM_COV=\"1\""), is("CARGO_LLVM_COV", "1"));
        assert_eq!(variable("CARGO_LLVM_COV=1"), is("CARGO_LLVM_COV", "1"));
        assert_eq!(variable("info: nothing"), None);
    }
}

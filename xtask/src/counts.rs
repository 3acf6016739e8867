//! The test runner's own count, read from the summary it prints.

use std::fmt;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    /// Also those that timed out or could not be started.
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Reads nextest's `Summary [ 1.2s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped`.
    pub(crate) fn of_nextest(line: &str) -> Option<Self> {
        let line = without_colours(line);
        let (_, list) = line.trim_start().strip_prefix("Summary [")?.split_once(" run: ")?;
        let mut counts = Self::default();
        for entry in without_parentheses(list).split(',') {
            let (number, word) = entry.trim().split_once(' ')?;
            let number: u64 = number.parse().ok()?;
            match word.trim() {
                "passed" => counts.passed += number,
                "skipped" => counts.skipped += number,
                _ => counts.failed += number,
            }
        }
        Some(counts)
    }

    /// Reads the `test result: ok. 3 passed; 0 failed; 1 ignored; …` of the standard harness.
    pub(crate) fn of_harness(line: &str) -> Option<Self> {
        let line = without_colours(line);
        let (_, list) = line.trim_start().strip_prefix("test result: ")?.split_once(". ")?;
        let number = |word: &str| {
            let entry = list.split(';').find_map(|entry| entry.trim().strip_suffix(word))?;
            entry.trim().parse::<u64>().ok()
        };
        Some(Self { passed: number(" passed")?, failed: number(" failed")?, skipped: number(" ignored")? })
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Removes `ESC [ … m`.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let read = Counts::of_nextest;
        assert_eq!(read("     Summary [   0.005s] 2 tests run: 2 passed, 0 skipped"), counts(2, 0, 0));
        assert_eq!(read("Summary [ 3.2s] 1 test run: 1 passed, 7 skipped"), counts(1, 0, 7));
        let many = "Summary [ 9s] 10/12 tests run: 6 passed (1 slow, 1 leaky), 1 failed, 2 timed out, 1 exec failed, 2 skipped";
        assert_eq!(read(many), counts(6, 4, 2));
    }

    #[test]
    fn colours_do_not_matter() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.005s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m passed, 0 skipped";
        assert_eq!(Counts::of_nextest(line), counts(2, 0, 0));
    }

    #[test]
    fn other_lines_are_no_summary() {
        assert_eq!(Counts::of_nextest("        PASS [   0.004s] x tests run: 1 passed"), None);
        assert_eq!(Counts::of_nextest("Summary [ 1s] no tests"), None);
    }

    #[test]
    fn the_result_of_the_standard_harness_is_read() {
        let line = "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(Counts::of_harness(line), counts(3, 1, 2));
        assert_eq!(Counts::of_harness("running 3 tests"), None);
    }

    #[test]
    fn counts_are_printed_in_one_line() {
        assert_eq!(counts(3, 1, 2).unwrap().to_string(), "3 passed, 1 failed, 2 skipped");
    }
}

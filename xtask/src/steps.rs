//! Named steps with their durations; the first that fails ends the run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What ran so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs one step, announced before and timed after.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("==> {name}");
        let start = Instant::now();
        let outcome = work();
        let duration = start.elapsed();
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("<== {name}: {word} in {:.1} s", duration.as_secs_f64());
        self.done.push((name.to_owned(), duration));
        outcome.with_context(|| format!("step `{name}` failed"))
    }

    /// Prints all durations.
    pub(crate) fn print(&self) {
        for (name, duration) in &self.done {
            println!("{name:<12} {:>8.1} s", duration.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, duration)| *duration).sum();
        println!("{:<12} {:>8.1} s", "all", total.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_step() {
        let mut steps = Steps::default();
        assert_eq!(steps.step("first", || Ok(3)).unwrap(), 3);
        let error = steps.step("second", || -> Result<()> { anyhow::bail!("broken") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `second` failed: broken");
        assert_eq!(steps.done.len(), 2);
    }
}

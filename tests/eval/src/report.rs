use std::fmt;
use std::time::Duration;

use comfy_table::{Table, presets};

/// What nDCG@10 has to reach.
pub(crate) type Aim = Option<f64>;

/// One value per question.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) ndcg_10: Vec<f64>,
    pub(crate) graded_10: Vec<f64>,
    pub(crate) recall_10: Vec<f64>,
    pub(crate) recall_100: Vec<f64>,
    pub(crate) reciprocal: Vec<f64>,
    pub(crate) took: Vec<Duration>,
}

/// What was measured, and under what conditions.
#[derive(Debug)]
pub(crate) struct Report {
    backend: &'static str,
    embedder: String,
    memories: usize,
    stored_in: Duration,
    rows: Vec<(&'static str, Figures, Aim)>,
}

impl Report {
    pub(crate) fn new(backend: &'static str, embedder: String, memories: usize, stored_in: Duration) -> Self {
        Self { backend, embedder, memories, stored_in, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, what: &'static str, figures: Figures, aim: Aim) {
        self.rows.push((what, figures, aim));
    }

    /// What is below its aim.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = |(what, figures, aim): &(&str, Figures, Aim)| {
            let (reached, aim) = (mean(&figures.ndcg_10), (*aim)?);
            (reached < aim).then(|| format!("{what}: nDCG@10 is {reached:.4}, expected at least {aim:.2}"))
        };
        self.rows.iter().filter_map(missed).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, embedder, memories, stored_in, rows } = self;
        let seconds = stored_in.as_secs_f32();
        writeln!(f, "Cranfield on {backend}, embedder {embedder}: {memories} memories stored in {seconds:.1} s")?;
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["what counts", "nDCG@10", "graded", "recall@10", "recall@100", "MRR", "p50", "p99", "aim"]);
        for (what, figures, aim) in rows {
            let Figures { ndcg_10, graded_10, recall_10, recall_100, reciprocal, took } = figures;
            let mut row = vec![(*what).to_owned()];
            row.extend([ndcg_10, graded_10, recall_10, recall_100, reciprocal].map(|of| format!("{:.4}", mean(of))));
            row.extend([0.5, 0.99].map(|share| format!("{:.1} ms", quantile(took, share).as_secs_f64() * 1e3)));
            row.push(aim.map_or_else(String::new, |aim| format!("{aim:.2}")));
            table.add_row(row);
        }
        write!(f, "{table}")
    }
}

/// 0 of nothing.
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The smallest that so large a share of them does not exceed.
fn quantile(values: &[Duration], share: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the number of values")]
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misses_its_aim_is_told() {
        let of = |value: f64| Figures { ndcg_10: vec![value, value], ..Figures::default() };
        let mut report = Report::new("SQLite", "none".into(), 2, Duration::from_secs(1));
        report.push("one", of(0.5), Some(0.5));
        report.push("another", of(0.1), None);
        assert_eq!(report.missed(), Vec::<String>::new());
        report.push("third", of(0.3), Some(0.38));
        assert_eq!(report.missed(), ["third: nDCG@10 is 0.3000, expected at least 0.38"]);
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<Duration> = (1..=225).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&values, 0.5), Duration::from_millis(113));
        assert_eq!(quantile(&values, 0.99), Duration::from_millis(223));
        assert_eq!(quantile(&values[..1], 0.99), Duration::from_millis(225));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}

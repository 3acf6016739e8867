use orchestrator_budget::PriceBook;
use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};

use super::Finding;
use crate::config::Config;

const CHECK: &str = "models";
const DAY_MS: i64 = 86_400_000;
/// How long before a model is gone that is worth a word.
const SOON_MS: i64 = 60 * DAY_MS;

/// Whether the models that are asked will be there.
pub(crate) fn of(config: &Config) -> Vec<Finding> {
    let now = SystemClock.now();
    let mut findings: Vec<Finding> = retiring(config).filter_map(|(model, day)| told(&model, day, now)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "none that is configured is known to be gone within 60 days"));
    }
    findings
}

/// Those that are configured and that their vendor will take away, with the day.
fn retiring(config: &Config) -> impl Iterator<Item = (String, &'static str)> {
    let (book, vendors) = (PriceBook::default(), config.models.vendors());
    let (primary, fallbacks) = config.models.candidates();
    primary.into_iter().chain(fallbacks).filter_map(move |name| {
        let (provider, model) = name.split_once('/')?;
        let vendor = vendors.get(provider).map(String::as_str);
        let day = book.find(provider, vendor, model)?.retires?;
        Some((name, day))
    })
}

fn told(model: &str, day: &str, now: Timestamp) -> Option<Finding> {
    let gone: Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
    let remedy = "name another in models.primary and models.fallbacks";
    match gone.millis() - now.millis() {
        ..=0 => Some(Finding::warning(CHECK, format!("{model} is gone since {day}"), remedy)),
        1..=SOON_MS => Some(Finding::warning(CHECK, format!("{model} will be gone on {day}"), remedy)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_will_be_gone_is_told_of_in_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let found = |now: &str| told("a/m", "2026-12-11", at(now)).map(|finding| finding.found);
        assert_eq!(found("2026-10-01T00:00:00Z"), None);
        assert_eq!(found("2026-10-13T00:00:00Z").as_deref(), Some("a/m will be gone on 2026-12-11"));
        assert_eq!(found("2026-12-11T00:00:00Z").as_deref(), Some("a/m is gone since 2026-12-11"));
    }
}

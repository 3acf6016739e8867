use serde_saphyr::Spanned;

use super::Item;
use super::written::Span;
use crate::fault::{Wrong, place};

/// The longest text of a list.
pub(super) const TEXT_CHARS_MAX: usize = 1_000;
const DOLLARS_MAX: f64 = 1e9;

pub(super) fn text(given: Option<Spanned<String>>, field: &str, chars_max: usize) -> Result<Option<String>, Wrong> {
    given.map(|given| one_text(given, field, chars_max).map(|item| item.value)).transpose()
}

/// Each text of a list.
pub(super) fn texts(given: Vec<Spanned<String>>, field: &str, most: usize) -> Result<Vec<Item<String>>, Wrong> {
    if let Some(one_more) = given.get(most) {
        return Err(Wrong::at(one_more.referenced, format!("{field}: expected at most {most}")));
    }
    given.into_iter().map(|given| one_text(given, field, TEXT_CHARS_MAX)).collect()
}

fn one_text(given: Spanned<String>, field: &str, chars_max: usize) -> Result<Item<String>, Wrong> {
    let value = given.value.trim().to_owned();
    match (1..=chars_max).contains(&value.chars().count()) && !value.contains('\0') {
        true => Ok(Item { value, at: place(given.referenced).unwrap_or((1, 1)) }),
        false => Err(Wrong::at(given.referenced, format!("{field}: expected 1 to {chars_max} characters"))),
    }
}

pub(super) fn within<N: TryFrom<u64>>(
    given: Option<Spanned<u64>>,
    field: &str,
    least: u64,
    most: u64,
) -> Result<Option<N>, Wrong> {
    let Some(given) = given else { return Ok(None) };
    let number = given.value;
    let fits = (least..=most).contains(&number).then(|| N::try_from(number).ok()).flatten();
    let wrong = || Wrong::at(given.referenced, format!("{field}: expected {least} to {most}, got {number}"));
    fits.map(Some).ok_or_else(wrong)
}

pub(super) fn amount(given: Option<Spanned<f64>>, field: &str, least: f64, most: f64) -> Result<Option<f64>, Wrong> {
    match given {
        // Neither is a NaN within bounds.
        Some(given) if !(least..=most).contains(&given.value) => {
            let problem = format!("{field}: expected {least} to {most}, got {}", given.value);
            Err(Wrong::at(given.referenced, problem))
        }
        given => Ok(given.map(|given| given.value)),
    }
}

pub(super) fn dollars(given: Option<Spanned<f64>>) -> Result<Option<f64>, Wrong> {
    amount(given, "costBudget", 0.0, DOLLARS_MAX)
}

/// Milliseconds.
pub(super) fn duration(given: Option<Spanned<Span>>, field: &str, most: u64) -> Result<Option<u64>, Wrong> {
    let Some(given) = given else { return Ok(None) };
    let expected = format!("{field}: expected milliseconds, or a number with `ms`, `s`, `m`, `h` or `d`");
    let ms = match given.value {
        Span::Ms(ms) => Some(ms),
        Span::Text(text) => in_ms(text.trim()),
    };
    let ms = ms.ok_or_else(|| Wrong::at(given.referenced, expected))?;
    match (1..=most).contains(&ms) {
        true => Ok(Some(ms)),
        false => Err(Wrong::at(given.referenced, format!("{field}: expected 1 to {most} ms, got {ms}"))),
    }
}

fn in_ms(text: &str) -> Option<u64> {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()].parse().ok()?;
    let factor = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

//! What is written so that a machine reads it and nobody else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use regex::Regex;

use super::finding::{Finding, Place, Rule, Severity};
use super::rules;

/// So many places of one file are decoded.
const DECODED_MAX: usize = 50;
/// From this length on something encoded is worth a look by itself.
const LONG: usize = 1_000;

static BASE64: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)(?:[A-Za-z0-9+/_-]{60,}\r?\n)*[A-Za-z0-9+/_-]{40,}={0,2}").expect("it is a pattern")
});
static HEX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)(?:\\x[0-9a-fA-F]{2}){16,}|\b(?:[0-9a-fA-F]{2}){48,}\b").expect("it is a pattern")
});

/// Of either alphabet, padded or not.
static ENGINE: LazyLock<GeneralPurpose> = LazyLock::new(|| {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
});

pub(super) fn look(place: &Place<'_>, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for hit in BASE64.find_iter(text).take(DECODED_MAX) {
        if is_image(&text[..hit.start()]) {
            continue;
        }
        let letters: String = hit.as_str().chars().filter(|c| !c.is_whitespace()).collect();
        let letters = letters.replace('-', "+").replace('_', "/");
        let decoded = ENGINE.decode(letters.trim_end_matches('=')).unwrap_or_default();
        found.extend(judge(&decoded, hit.len(), place).map(|told| place.finding(told, text, hit.range())));
    }
    for hit in HEX.find_iter(text).take(DECODED_MAX) {
        let digits: String = hit.as_str().replace("\\x", "");
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let decoded: Vec<u8> = (0..digits.len()).step_by(2).filter_map(byte).collect();
        found.extend(judge(&decoded, hit.len(), place).map(|told| place.finding(told, text, hit.range())));
    }
    found
}

/// Pictures and fonts are written so in pages.
fn is_image(before: &str) -> bool {
    let start = before.floor_char_boundary(before.len().saturating_sub(60));
    let before = &before[start..];
    before.rfind("data:").is_some_and(|at| before[at..].ends_with(";base64,") && !before[at..].contains("text/"))
}

fn judge(decoded: &[u8], length: usize, place: &Place<'_>) -> Option<(Rule, Severity, &'static str)> {
    let is_program = [&b"\x7fELF"[..], b"MZ\x90", b"\xcf\xfa\xed\xfe"].iter().any(|magic| decoded.starts_with(magic));
    if is_program {
        return Some((Rule::EncodedPayload, Severity::High, "a program, encoded"));
    }
    let text = std::str::from_utf8(decoded).ok().filter(|text| is_readable(text));
    match text {
        Some(text) if rules::is_grave(text) => {
            Some((Rule::EncodedPayload, Severity::High, "decoded, it says what another rule is against"))
        }
        Some(_) => Some((Rule::EncodedPayload, Severity::Medium, "readable text, encoded")),
        None if length >= LONG && place.is_script => {
            Some((Rule::EncodedPayload, Severity::Medium, "a long encoded text in a script"))
        }
        None if length >= LONG => Some((Rule::EncodedPayload, Severity::Low, "a long encoded text")),
        None => None,
    }
}

fn is_readable(text: &str) -> bool {
    let count = text.chars().count();
    let shown = text.chars().filter(|c| !c.is_control() || c.is_whitespace()).count();
    let words = text.chars().filter(|c| c.is_alphanumeric() || *c == ' ').count();
    count >= 16 && shown == count && words * 2 > count
}

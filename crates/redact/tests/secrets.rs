//! Secrets that were handed in, in all their forms, whole and in pieces.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use orchestrator_redact::{Redactor, TooShort};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::json;

fn redactor(secret: &str) -> Redactor {
    Redactor::builder().secret("it", &SecretString::from(secret)).build()
}

/// The secret the ways other programs write it, and what must not be readable afterwards.
fn written(secret: &str, before: &str, after: &str) -> Vec<String> {
    let whole = format!("{before}{secret}{after}");
    let json = serde_json::to_string(&whole).unwrap();
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    vec![
        whole.clone(),
        serde_json::to_string(&json).unwrap(),
        format!("{whole:?}"),
        json,
        hex(&whole),
        hex(&whole).to_uppercase(),
        percent(&whole),
        percent(&whole).to_lowercase(),
        STANDARD.encode(&whole),
        STANDARD_NO_PAD.encode(&whole),
        URL_SAFE.encode(&whole),
        URL_SAFE_NO_PAD.encode(&whole),
        STANDARD.encode(&whole).replace('/', "%2F").replace('+', "%2B").replace('=', "%3D"),
    ]
}

/// Cuts at pseudo-random places, so that every failure can be repeated.
fn in_pieces(redactor: &Redactor, text: &str, seed: u64) -> String {
    let (mut stream, mut out, mut rest, mut state) = (redactor.stream(), String::new(), text, seed | 1);
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let letters = 1 + (state >> 33) as usize % if seed.is_multiple_of(3) { 2 } else { 40 };
        let at = rest.char_indices().nth(letters).map_or(rest.len(), |(at, _)| at);
        out.push_str(&stream.push(&rest[..at]));
        rest = &rest[at..];
    }
    out + &stream.finish()
}

#[test]
fn a_secret_is_replaced_by_its_name() {
    let redactor = redactor("correct horse");
    assert_eq!(redactor.redact("a correct horse, correct horse!"), "a [redacted:it], [redacted:it]!");
    assert!(matches!(redactor.redact("no horse"), std::borrow::Cow::Borrowed("no horse")));
}

#[test]
fn short_secrets_are_refused_with_a_reason() {
    let builder = Redactor::builder().secret("pin", &SecretString::from("1234567"));
    assert_eq!(builder.too_short(), [TooShort { name: "pin".to_owned() }]);
    let redactor = builder.build();
    assert_eq!(redactor.redact("1234567"), "1234567");
    let reason = redactor.add("pin", &SecretString::from("")).unwrap_err().to_string();
    assert_eq!(reason, "the secret pin is shorter than 8 bytes and cannot be kept out of the output");
}

#[test]
fn a_secret_added_later_is_found_by_every_clone_and_stream() {
    let redactor = Redactor::default();
    let (clone, mut stream) = (redactor.clone(), redactor.stream());
    redactor.add("the new/one", &SecretString::from("made later")).unwrap();
    assert_eq!(clone.redact("made later"), "[redacted:the-new-one]");
    assert_eq!(stream.push("made later.") + &stream.finish(), "[redacted:the-new-one].");
}

#[test]
fn secrets_that_overlap_both_go() {
    let first = SecretString::from("abcdefghij");
    let redactor = Redactor::builder().secret("a", &first).secret("b", &SecretString::from("ghijklmnop")).build();
    assert_eq!(redactor.redact("<abcdefghijklmnop>"), "<[redacted:a]>");
    assert_eq!(in_pieces(&redactor, "<abcdefghijklmnop>", 3), "<[redacted:a]>");
    let endless = "abcdefghij".repeat(50);
    let redactor = self::redactor("abcdefghijabcdefghij");
    assert_eq!(in_pieces(&redactor, &endless, 7), "[redacted:it]");
}

#[test]
fn long_lines_of_a_key_file_are_found_alone() {
    let redactor = redactor("first line of the key\nsecond line of the key\nend\n");
    assert_eq!(redactor.redact("> second line of the key\n> end"), "> [redacted:it]\n> end");
}

#[test]
fn json_keeps_its_shape() {
    let redactor = redactor("1234567890");
    let value = json!({ "1234567890": 1, "a1234567890": ["x 1234567890", 1234567890, null], "b": { "c": true } });
    let expected =
        json!({ "[redacted:it]": 1, "a[redacted:it]": ["x [redacted:it]", "[redacted:it]", null], "b": { "c": true } });
    assert_eq!(redactor.redact_json(value), expected);
    let two = Redactor::builder().secret("k", &"secret-one".into()).secret("k", &"secret-two".into()).build();
    let value = two.redact_json(json!({ "secret-one": 1, "secret-two": 2 }));
    assert_eq!(value, json!({ "[redacted:k]": 1, "[redacted:k]#2": 2 }));
}

#[test]
fn only_a_possible_beginning_is_held_back() {
    let mut stream = redactor("correct horse").stream();
    assert_eq!(stream.push("it is correct"), "it is ");
    // The last letter might become `eyJ`, with which tokens begin.
    assert_eq!(stream.push(" and more"), "correct and mor");
    assert_eq!(stream.finish(), "e");
}

#[test]
fn a_stream_of_beginnings_stays_small() {
    let redactor = redactor("aaaaaaaaaaaaaaaaaaaaaaab");
    let mut stream = redactor.stream();
    for _ in 0..200 {
        let _ = stream.push(&"a".repeat(100));
        let _ = stream.push("eyJ-----BEGIN PRIVATE KEY-----http://a");
        let shown = format!("{stream:?}");
        let held: usize = shown.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap();
        assert!(held < 20_000, "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_form_of_a_secret_survives(
        secret in "[ -~]{12,40}|[a-zA-Z0-9+/=\"\\\\\n%äß€😀]{12,30}",
        before in "[a-z :]{0,7}",
        after in "[a-z .]{0,7}",
        seed in any::<u64>(),
    ) {
        prop_assume!(!"[redacted:it]".contains(secret.as_str()));
        let redactor = redactor(&secret);
        for text in written(&secret, &before, &after) {
            let redacted = redactor.redact(&text).into_owned();
            prop_assert!(redacted.contains("[redacted:it]"), "{text} -> {redacted}");
            prop_assert!(!redacted.contains(&secret), "{text} -> {redacted}");
            prop_assert!(redacted.len() < text.len() + 20 && redacted != text);
            prop_assert_eq!(in_pieces(&redactor, &text, seed), redacted);
        }
    }

    #[test]
    fn text_without_secrets_is_unchanged(text in "\\PC{0,200}", seed in any::<u64>()) {
        // With an `@` it may be an address with a password in it.
        let text = text.replace('@', "");
        let redactor = redactor("this is not in it");
        prop_assert_eq!(redactor.redact(&text), text.as_str());
        prop_assert_eq!(in_pieces(&redactor, &text, seed), text);
    }

    #[test]
    fn pieces_never_matter(
        words in proptest::collection::vec("sk-|AKIA|eyJ|://|Bearer |-----BEGIN |PRIVATE KEY-----|-----END |abcdefgh|[a-z0-9.:@ -]{1,12}", 0..30),
        seed in any::<u64>(),
    ) {
        let redactor = redactor("abcdefghabcdefgh");
        let text = words.concat();
        prop_assert_eq!(in_pieces(&redactor, &text, seed), redactor.redact(&text).into_owned(), "{}", text);
    }
}

#[test]
fn a_secret_that_was_given_is_told_from_what_only_looks_like_one() {
    let secret = SecretString::from("correct horse battery staple".to_owned());
    let redactor = Redactor::builder().personal_data().secret("database-url", &secret).build();
    assert!(redactor.is_told_in("it is correct horse battery staple, they say"));
    for text in ["", "postgres://user:password@host/", "4111 1111 1111 1111", "[redacted:database-url]"] {
        assert!(!redactor.is_told_in(text), "{text}");
    }
}

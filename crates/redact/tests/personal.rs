//! Numbers of cards and accounts; all of them from documentation and standards.

use orchestrator_redact::Redactor;
use proptest::prelude::*;

const CARDS: [&str; 10] = [
    "4111111111111111",
    "4222222222222",
    "4111 1111 1111 1111",
    "5555-5555-5555-4444",
    "2223003122003222",
    "3782 822463 10005",
    "378282246310005",
    "3056 930902 5904",
    "6011111111111117",
    "6304 0000 0000 0000",
];

const ACCOUNTS: [&str; 6] = [
    "DE89370400440532013000",
    "DE89 3704 0044 0532 0130 00",
    "GB29 NWBK 6016 1331 9268 19",
    "NO9386011117947",
    "FR1420041010050500013M02606",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
];

fn redactor() -> Redactor {
    Redactor::builder().personal_data().build()
}

fn in_pieces(text: &str, size: usize) -> String {
    let mut stream = redactor().stream();
    let letters: Vec<char> = text.chars().collect();
    let mut out: String = letters.chunks(size).map(|piece| stream.push(&piece.iter().collect::<String>())).collect();
    out += &stream.finish();
    out
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(redactor().redact(text), expected);
    for size in [1, 5, 300] {
        assert_eq!(in_pieces(text, size), expected, "in pieces of {size}");
    }
}

#[test]
fn cards_and_accounts_are_found_however_they_are_written() {
    let all = CARDS.map(|number| (number, "card-number")).into_iter().chain(ACCOUNTS.map(|number| (number, "iban")));
    for (number, name) in all {
        check(number, &format!("[redacted:{name}]"));
        check(&format!("pay {number}, please"), &format!("pay [redacted:{name}], please"));
        check(&format!("{{\"text\":\"a\\n{number}\"}}"), &format!("{{\"text\":\"a\\n[redacted:{name}]\"}}"));
        check(&format!("12 {number} 123456789"), &format!("12 [redacted:{name}] 123456789"));
        check(&format!("é{number}é"), &format!("é[redacted:{name}]é"));
    }
}

#[test]
fn numbers_that_fail_their_check_or_are_part_of_something_stay() {
    for text in [
        "4111111111111112",
        "DE88370400440532013000",
        "4111 1111 1111 111",
        "41111111111111111111",
        "0.4111111111111111",
        "id_4111111111111111",
        "a4111111111111111",
        "4111111111111111a",
        "4111 11111111 1111",
        "DE89 3704 00440532 0130 00",
        "took 1732800000000 ms, at 1732800000000000 and 1732800000000000000",
        "task_018f3a5b7c9d4e1f8a2b3c4d5e6f7a8b",
        "127.0.0.1:5432, 2026-11-28T14:00:00Z, +49 30 1234567",
    ] {
        check(text, text);
    }
}

#[test]
fn nothing_personal_is_looked_for_unless_it_is_asked_for() {
    let text = CARDS.join(",") + &ACCOUNTS.join(",");
    assert_eq!(Redactor::default().redact(&text), text);
    let added = redactor();
    added.add("key", &"a secret that is long".to_owned().into()).unwrap();
    assert_eq!(added.redact(CARDS[0]), "[redacted:card-number]");
    let value = added.redact_json(serde_json::json!({"card": 4_111_111_111_111_111_u64, "at": 1_732_800_000_000_u64}));
    assert_eq!(value, serde_json::json!({"card": "[redacted:card-number]", "at": 1_732_800_000_000_u64}));
}

#[test]
fn work_grows_with_the_text_only() {
    for part in ["4", "4111 ", "4111 1111 1111 1111 ", "4 ", "DE89", "DE89 3704 ", "A", "4111-"] {
        let text = part.repeat(300_000 / part.len());
        assert!(redactor().redact(&text).len() <= 2 * text.len());
    }
}

/// The digit that makes a number pass the check, found the slow way.
fn with_check_digit(number: &str) -> String {
    let sum = |text: &str| -> u32 {
        let digits = text.chars().rev().filter_map(|letter| letter.to_digit(10));
        digits
            .enumerate()
            .map(|(index, digit)| if index % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
            .sum()
    };
    let all = (0..10).map(|digit| format!("{number}{digit}"));
    all.into_iter().find(|whole| sum(whole) % 10 == 0).expect("one of ten digits fits")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_card_survives(body in "4[0-9]{14}", separator in "[ -]?", before in "[a-z ]{0,9}[ :=\"]", after in "[ ,.\"][a-z ]{0,9}", size in 1usize..9) {
        let number = with_check_digit(&body);
        let groups: Vec<&str> = (0..4).map(|group| &number[group * 4..group * 4 + 4]).collect();
        let text = format!("{before}{}{after}", groups.join(&separator));
        let expected = format!("{before}[redacted:card-number]{after}");
        prop_assert_eq!(redactor().redact(&text), expected.as_str());
        prop_assert_eq!(in_pieces(&text, size), expected);
    }

    #[test]
    fn one_wrong_digit_saves_a_number(body in "4[0-9]{14}", at in 1usize..16, by in 1u32..10) {
        let number = with_check_digit(&body);
        let wrong: String = number.chars().enumerate().map(|(index, letter)| match letter.to_digit(10) {
            Some(digit) if index == at => char::from_digit((digit + by) % 10, 10).unwrap(),
            _ => letter,
        }).collect();
        prop_assert_eq!(redactor().redact(&wrong), wrong.as_str());
    }

    #[test]
    fn pieces_never_matter(
        words in proptest::collection::vec("4111|1111|378282|10005| |-|DE89|3704|0044|0532|0130|00|GB|_|\\.|[0-9]{1,5}|[A-Za-z]{1,2}|sk-|é", 0..40),
        size in 1usize..7,
    ) {
        let text = words.concat();
        prop_assert_eq!(in_pieces(&text, size), redactor().redact(&text));
    }
}

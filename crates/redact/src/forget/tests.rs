use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[track_caller]
fn check(name: &str, text: &str, is_concerned: bool) {
    assert_eq!(Forget::naming(name).unwrap().concerns(text), is_concerned, "{name:?} in {text:?}");
}

#[test]
fn a_name_is_found_as_whole_words_however_it_is_written() {
    for text in [
        "I met ADA LOVELACE yesterday.",
        "ada.lovelace@example.org",
        "/home/ada_lovelace/notes",
        "user:ada-lovelace",
        "Ada Lovelace's notes",
        "Ada\n  Lovelace",
        "{\"name\":\"Ada Lovelace\"}",
    ] {
        check("Ada Lovelace", text, true);
    }
    for text in ["Ada is a language", "Lovelace, Ada", "Ada-lovelaces", "Nada Lovelace", "Ada B. Lovelace", ""] {
        check("Ada Lovelace", text, false);
    }
}

#[test]
fn other_scripts_and_accents_have_names_too() {
    check("Renée", "Rene\u{301}e was here", true);
    check("RENÉE", "renée", true);
    check("O'Neill", "o\u{2019}neill said so", true);
    check("Σοφος", "ΣΟΦΟΣ, ΣΟΦΟΣ!", true);
    check("王小明", "我是王小明。", true);
    check("Анна", "ДЛЯ АННЫ", false);
    check("Анна", "АННА", true);
}

#[test]
fn without_a_word_there_is_no_name() {
    for name in ["", " ", "?!", "\u{200b}"] {
        assert_eq!(Forget::naming(name), None, "{name:?}");
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Thing {
    Said { by: String, words: String },
}

#[test]
fn a_thing_stays_what_it_is() {
    let said = Thing::Said { by: "user:said".into(), words: "it is said".into() };
    let (left, texts) = Forget::naming("said").unwrap().rewrite(&said, &Shape { kept: &[], free: &[] }).unwrap();
    assert_eq!(left, Thing::Said { by: "user:[erased]".into(), words: ERASED.into() });
    assert_eq!(texts, 2);
}

#[test]
fn what_the_program_goes_by_is_kept_but_not_where_anything_may_stand() {
    const SHAPE: Shape = Shape { kept: &["name"], free: &["arguments"] };
    let call = json!({ "name": "ada", "text": "ada", "arguments": { "name": "ada", "ada": 1, "Ada!": [2] } });
    let (left, texts) = Forget::naming("Ada").unwrap().rewrite(&call, &SHAPE).unwrap();
    assert_eq!(
        left,
        json!({ "name": "ada", "text": ERASED, "arguments": { "name": ERASED, "[erased]": [2], "[erased] 2": 1 } })
    );
    assert_eq!(texts, 4);
    assert_eq!(Forget::naming("Ada").unwrap().count(&call, &SHAPE), 4);
}

#[test]
fn of_everything_ids_digests_times_and_numbers_are_left() {
    let id = format!("task_{}", "0a".repeat(16));
    let value = json!({
        "taskId": id, "at": "2026-11-29T19:32:30.123Z", "digest": format!("sha256:{}", "ab".repeat(32)), "n": 1,
        "by": "user:ada", "agent": "agent:coder", "empty": "", "said": ["hello", format!("Ada: {}", "0a".repeat(16))],
    });
    let (left, texts) = Forget::everything().rewrite(&value, &Shape::FREE).unwrap();
    let mut expected = value.clone();
    expected["by"] = json!("user:[erased]");
    expected["said"] = json!([ERASED, ERASED]);
    assert_eq!((left, texts), (expected.clone(), 3));
    assert!(Forget::everything().rewrite(&expected, &Shape::FREE).is_none(), "nothing is forgotten twice");
}

proptest! {
    #[test]
    fn nothing_of_the_name_is_left_and_nothing_else_is_gone(
        before in "[a-zA-Z ]{0,12}",
        after in "[a-zA-Z ]{0,12}",
        others in proptest::collection::vec("[a-z ]{0,20}", 0..5),
        is_loud in any::<bool>(),
    ) {
        let name = if is_loud { "ZOË QUISLING" } else { "zoë quisling" };
        let value = json!({ "about": format!("{before} {name}, {after}"), "others": others, "deep": [{ "n": [name] }] });
        let forget = Forget::naming("Zoë Quisling").unwrap();
        let (left, texts) = forget.rewrite(&value, &Shape::FREE).unwrap();
        prop_assert_eq!(texts, 2);
        prop_assert!(!left.to_string().to_lowercase().contains("quisling"));
        prop_assert_eq!(&left["others"], &json!(others));
        prop_assert!(forget.rewrite(&left, &Shape::FREE).is_none());
    }

    #[test]
    fn whatever_it_is_it_is_looked_at_without_harm(name in ".{1,20}", text in ".{0,60}") {
        if let Some(forget) = Forget::naming(&name) {
            prop_assert!(forget.concerns(&name), "{name:?}");
            prop_assert_eq!(forget.left_of(&text).is_some(), forget.concerns(&text));
        }
    }
}

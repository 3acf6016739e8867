use std::collections::BTreeMap;

use orchestrator_vocab::TaskId;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::Code;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Priority {
    High,
    Low,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct Step {
    command: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct Params {
    title: String,
    priority: Option<Priority>,
    #[serde(default)]
    depends_on: Vec<TaskId>,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    limits: BTreeMap<String, u8>,
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    parse_params(Some(&parse_json(text.as_bytes()).unwrap()))
}

#[track_caller]
fn refused(text: &str, field: Option<&str>, message: &str) {
    let error = parsed::<Params>(text).unwrap_err();
    assert_eq!((error.code, error.field.as_deref(), error.message.as_str()), (Code::InvalidParams, field, message));
}

#[test]
fn errors_name_the_field_by_path_and_what_was_expected() {
    refused(
        r#"{"title":"x","priority":"hgh"}"#,
        Some("priority"),
        "`priority`: unknown variant `hgh`, expected `high` or `low`",
    );
    refused(r#"{"priority":"high"}"#, Some("title"), "`title`: missing");
    refused(r#"{"title":7}"#, Some("title"), "`title`: invalid type: integer `7`, expected a string");
    refused(r#"{"title":"x","steps":[{"command":"a"},{}]}"#, Some("steps[1].command"), "`steps[1].command`: missing");
    refused(
        r#"{"title":"x","steps":[{"comand":"a"}]}"#,
        Some("steps[0].comand"),
        "`steps[0].comand`: unknown field, expected `command`",
    );
    refused(
        r#"{"title":"x","dependsOn":["session_1"]}"#,
        Some("dependsOn[0]"),
        "`dependsOn[0]`: expected `task_` and 32 lowercase hexadecimal digits",
    );
    refused(
        r#"{"title":"x","limits":{"cpu":256}}"#,
        Some("limits.cpu"),
        "`limits.cpu`: invalid value: integer `256`, expected u8",
    );
}

#[test]
fn an_unknown_field_lists_the_known_ones() {
    let known = "`title`, `priority`, `dependsOn`, `steps`, `metadata`, `limits`";
    refused(r#"{"tilte":"x"}"#, Some("tilte"), &format!("`tilte`: unknown field, expected one of {known}"));
}

#[test]
fn a_key_written_twice_is_refused_wherever_it_is() {
    refused(r#"{"title":"x","title":"y"}"#, Some("title"), "`title`: given twice");
    refused(r#"{"title":"x","metadata":{"a":1,"\u0061":2}}"#, Some("metadata.a"), "`metadata.a`: given twice");
    let nested = r#"{"title":"x","metadata":{"list":[1,{"b":1,"c":0,"b":1}]}}"#;
    refused(nested, Some("metadata.list[1].b"), "`metadata.list[1].b`: given twice");
    let keys: Vec<String> = (0..40).map(|n| format!(r#""k{n}":{n}"#)).collect();
    let (first, last) = (format!("{},\"k1\":0", keys.join(",")), format!("{},\"k39\":0", keys.join(",")));
    refused(&format!(r#"{{"title":"x","metadata":{{{first}}}}}"#), Some("metadata.k1"), "`metadata.k1`: given twice");
    refused(&format!(r#"{{"title":"x","metadata":{{{last}}}}}"#), Some("metadata.k39"), "`metadata.k39`: given twice");
    parsed::<Params>(r#"{"title":"x","metadata":{"a":{"a":1},"b":{"a":1}}}"#).unwrap();
}

fn nested(levels: usize) -> String {
    format!(r#"{{"title":"x","metadata":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn nesting_is_bounded() {
    parsed::<Params>(&nested(PARAMS_DEPTH_MAX - 1)).unwrap();
    for levels in [PARAMS_DEPTH_MAX, 127, 128, 200_000] {
        let error = parsed::<Params>(&nested(levels)).unwrap_err();
        assert!(error.message.ends_with("nested too deeply"), "{}", error.message);
        assert!(error.message.len() < 1_000);
    }
}

#[test]
fn numbers_keep_64_bits_and_no_number_is_infinite() {
    let params: Params = parsed(r#"{"title":"x","metadata":[18446744073709551615,-9223372036854775808,0.1]}"#).unwrap();
    assert_eq!(params.metadata.to_string(), "[18446744073709551615,-9223372036854775808,0.1]");
    refused(r#"{"title":"x","metadata":{"n":1e999}}"#, Some("metadata.n"), "`metadata.n`: number out of range");
}

#[test]
fn parameters_are_an_object() {
    refused(r#"["x"]"#, None, "parameters are given by name, as an object, not as a list");
    refused(r#""x""#, None, "parameters are an object");
    assert_eq!(parse_params::<NoParams>(None).unwrap(), NoParams {});
    assert_eq!(parsed::<NoParams>("null").unwrap(), NoParams {});
    assert_eq!(parsed::<NoParams>(" {} ").unwrap(), NoParams {});
    assert_eq!(parsed::<NoParams>(r#"{"a":1}"#).unwrap_err().field.as_deref(), Some("a"));
}

#[test]
fn a_long_value_is_not_sent_back_whole() {
    let long = "ä".repeat(100_000);
    for text in [format!(r#"{{"title":"x","priority":"{long}"}}"#), format!(r#"{{"{long}":1}}"#)] {
        assert!(parsed::<Params>(&text).unwrap_err().message.len() < 1_000);
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for text in ["{} {}", "{}x", "", "{", "\u{feff}{}"] {
        assert_eq!(parse_json(text.as_bytes()).unwrap_err().code, Code::Parse, "{text}");
    }
    assert_eq!(parse_json(b"{\"a\":\"\xff\"}").unwrap_err().code, Code::Parse);
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in r#"[{}\[\]":,a-z0-9\\ ]{0,64}"#) {
        if let Ok(raw) = parse_json(text.as_bytes()) {
            let _ = parse_params::<Params>(Some(&raw));
        }
    }
}

#[test]
fn a_whole_double_is_an_integer_where_one_is_expected() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Count {
        count: u64,
        note: serde_json::Value,
    }
    let parsed = |text: &str| parse_params::<Count>(Some(&parse_json(text.as_bytes()).unwrap()));
    for count in ["7.0", "7e0", "0.7e1", "7"] {
        assert_eq!(parsed(&format!(r#"{{"count":{count},"note":1.5}}"#)).unwrap().count, 7, "{count}");
    }
    for count in ["7.5", "-1.0", "1e300"] {
        assert_eq!(parsed(&format!(r#"{{"count":{count},"note":1}}"#)).unwrap_err().field.as_deref(), Some("count"));
    }
    assert_eq!(parsed(r#"{"count":7,"note":1.0}"#).unwrap().note, serde_json::json!(1.0), "free-form parts stay");
}

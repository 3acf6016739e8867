//! What of an answer may be written down.

use std::borrow::Cow;
use std::collections::BTreeMap;

use orchestrator_redact::Redactor;
use serde_json::Value;

/// The answer without its secrets.
///
/// # Errors
/// Why it may not be written at all.
pub(super) fn hidden<'a>(bytes: &'a [u8], redactor: &Redactor) -> Result<Cow<'a, [u8]>, &'static str> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return match redactor.redact(&String::from_utf8_lossy(bytes)) {
            Cow::Borrowed(_) => Ok(Cow::Borrowed(bytes)),
            Cow::Owned(found) if found == String::from_utf8_lossy(bytes) => Ok(Cow::Borrowed(bytes)),
            Cow::Owned(_) => Err("a secret is said in an answer that is no text"),
        };
    };
    let written = match redactor.redact(text) {
        Cow::Borrowed(text) => Cow::Borrowed(text),
        Cow::Owned(_) => Cow::Owned(text.split_inclusive('\n').map(|line| without(line, redactor)).collect::<String>()),
    };
    // A secret over several lines.
    let written = match redactor.redact(&written) {
        Cow::Borrowed(_) => written,
        Cow::Owned(found) => Cow::Owned(found),
    };
    if is_said_in_pieces(&written, redactor) {
        return Err("a secret is said in several pieces");
    }
    Ok(match written {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// A line, in which JSON stays JSON.
fn without(line: &str, redactor: &Redactor) -> String {
    let Cow::Owned(redacted) = redactor.redact(line) else { return line.to_owned() };
    let (begin, data) = line.find('{').map_or((line, ""), |at| line.split_at(at));
    match serde_json::from_str(data) {
        Ok(value) => {
            let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
            format!("{begin}{}{end}", redactor.redact_json(value))
        }
        Err(_) => redacted,
    }
}

/// Whether the same field of events that follow each other holds a secret that none of them holds alone.
fn is_said_in_pieces(text: &str, redactor: &Redactor) -> bool {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines() {
        let Some(data) = line.strip_prefix("data:") else { continue };
        if let Ok(event) = serde_json::from_str::<Value>(data) {
            gather(&mut String::new(), &event, &mut said);
        }
    }
    said.values().any(|whole| matches!(redactor.redact(whole), Cow::Owned(found) if found != *whole))
}

fn gather(at: &mut String, value: &Value, said: &mut BTreeMap<String, String>) {
    let length = at.len();
    let mut within = |name: &str, value: &Value| {
        at.push('/');
        at.push_str(name);
        gather(at, value, said);
        at.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| within(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(number, item)| within(&number.to_string(), item)),
        Value::String(text) => said.entry(at.clone()).or_default().push_str(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn redactor() -> Redactor {
        Redactor::builder().secret("key", &SecretString::from("correct horse battery")).build()
    }

    fn written(text: &str) -> Result<String, &'static str> {
        hidden(text.as_bytes(), &redactor()).map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
    }

    #[test]
    fn secrets_are_replaced_and_json_stays_json() {
        let innocent = "event: x\r\ndata: {\"b\":1,\"a\":2}\r\n\r\n";
        assert_eq!(written(innocent).unwrap(), innocent);
        let found = written("data: {\"text\":\"it is correct horse battery\"}\n\n").unwrap();
        assert_eq!(found, "data: {\"text\":\"it is [redacted:key]\"}\n\n");
    }

    #[test]
    fn a_secret_in_pieces_is_not_written_at_all() {
        let piece = |text: &str| format!("data: {{\"delta\":{{\"text\":\"{text}\"}}}}\n\n");
        assert!(written(&(piece("correct ho") + &piece("rse battery"))).is_err());
        assert!(written(&(piece("correct ") + &piece("answer"))).is_ok());
        let broken = [b"\xff correct horse battery".as_slice()].concat();
        assert!(hidden(&broken, &redactor()).is_err());
        assert!(hidden(b"\xff", &redactor()).is_ok());
    }
}

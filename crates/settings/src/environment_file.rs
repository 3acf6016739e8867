use std::path::Path;

use crate::{Error, Position, Source};

/// Name, value and line of each variable in the text of a `.env` file.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<(String, String, usize)>, Error> {
    let mut variables: Vec<(String, String, usize)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fault = |message: &str| Error::Syntax {
            place: Source::File {
                path: path.to_owned(),
                position: Some(Position { line: index + 1, column: 1 + line.len() - line.trim_start().len() }),
            },
            message: message.to_owned(),
        };
        let Some((name, value)) = assignment(line).map_err(fault)? else { continue };
        if variables.iter().any(|(other, ..)| *other == name) {
            return Err(fault(&format!("{name} is set a second time")));
        }
        variables.push((name, value, index + 1));
    }
    Ok(variables)
}

fn assignment(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("expected NAME=value")?;
    let name = name.trim();
    if !is_name(name) {
        return Err("the name before `=` must be letters, digits and `_`, and not start with a digit");
    }
    Ok(Some((name.to_owned(), unquote(value.trim())?)))
}

/// Whether this can name a variable: letters, digits and `_`, not starting with a digit.
pub(crate) fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts_well && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn unquote(value: &str) -> Result<String, &'static str> {
    let (text, rest) = match value.chars().next() {
        Some('\'') => {
            let (text, rest) = value[1..].split_once('\'').ok_or("a quote is not closed")?;
            (text.to_owned(), rest)
        }
        Some('"') => double_quoted(&value[1..])?,
        _ => {
            // A comment needs a blank before it, so that `a#b` stays a value.
            let comment = value.match_indices('#').find(|(at, _)| *at == 0 || value[..*at].ends_with([' ', '\t']));
            let end = comment.map_or(value.len(), |(at, _)| at);
            return Ok(value[..end].trim_end().to_owned());
        }
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(text) } else { Err("unexpected text after the closing quote") }
}

fn double_quoted(value: &str) -> Result<(String, &str), &'static str> {
    let mut text = String::new();
    let mut letters = value.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((text, &value[at + 1..])),
            '\\' => text.push(match letters.next() {
                Some((_, 'n')) => '\n',
                Some((_, 'r')) => '\r',
                Some((_, 't')) => '\t',
                Some((_, same @ ('"' | '\\' | '$'))) => same,
                _ => return Err("unknown escape: only \\n \\r \\t \\\" \\\\ and \\$ are understood"),
            }),
            other => text.push(other),
        }
    }
    Err("a quote is not closed")
}

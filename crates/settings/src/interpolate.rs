use crate::environment_file::is_name;
use crate::tree::{Form, Node, Value};
use crate::{Environment, Error};

/// Replaces `${NAME}` and `${NAME:-default}` in every text of a file; `$${` stands for `${`.
pub(crate) fn interpolate(node: &mut Node, environment: &Environment) -> Result<(), Error> {
    node.leaves(&mut |key, leaf| {
        let Value::Text(text) = &leaf.value else { return Ok(()) };
        let expanded = expand(text, environment).map_err(|problem| match problem {
            Problem::Unset(name) => Error::UnsetVariable { place: leaf.source.clone(), key: key.to_owned(), name },
            Problem::Malformed(message) => {
                Error::Invalid { place: leaf.source.clone(), key: key.to_owned(), message: message.to_owned() }
            }
        })?;
        if let Some(expanded) = expanded {
            leaf.value = Value::Text(expanded);
            leaf.form = Form::Hidden;
        }
        Ok(())
    })
}

#[derive(Debug, PartialEq)]
enum Problem {
    Unset(String),
    Malformed(&'static str),
}

/// The text with variables filled in, or `None` if there was nothing to fill in.
fn expand(text: &str, environment: &Environment) -> Result<Option<String>, Problem> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        rest = &rest[at + 2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            continue;
        }
        expanded.push_str(before);
        let (inner, after) = rest.split_once('}').ok_or(Problem::Malformed("has `${` without `}`"))?;
        expanded.push_str(lookup(inner, environment)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(Some(expanded))
}

fn lookup<'a>(inner: &'a str, environment: &'a Environment) -> Result<&'a str, Problem> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_name(name) {
        return Err(Problem::Malformed("has a `${…}` that is not ${NAME} or ${NAME:-default} ($${ for a literal ${)"));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(Problem::Malformed("has a default with another `${` in it, which is not supported"));
    }
    environment.get(name).or(default).ok_or_else(|| Problem::Unset(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Option<&str>, Problem>) {
        let environment = Environment::from_iter([("NAME", "value"), ("EMPTY", "")]);
        assert_eq!(expand(text, &environment), expected.map(|text| text.map(str::to_owned)), "{text}");
    }

    #[test]
    fn variables_are_filled_in() {
        check("plain $text {here}", Ok(None));
        check("${NAME}", Ok(Some("value")));
        check("a ${NAME} and ${OTHER:-a default}.", Ok(Some("a value and a default.")));
        check("${EMPTY:-default}", Ok(Some("")));
        check("$${NAME} ${OTHER:-}", Ok(Some("${NAME} ")));
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        check("${OTHER}", Err(Problem::Unset("OTHER".to_owned())));
        check("${NAME", Err(Problem::Malformed("has `${` without `}`")));
        let malformed = "has a `${…}` that is not ${NAME} or ${NAME:-default} ($${ for a literal ${)";
        check("${not a name}", Err(Problem::Malformed(malformed)));
        let nested = "has a default with another `${` in it, which is not supported";
        check("${OTHER:-${NAME}}", Err(Problem::Malformed(nested)));
    }
}

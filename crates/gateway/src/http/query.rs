use std::borrow::Cow;

/// The pairs of a query string, decoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name).into_owned(), decoded(value).into_owned())
    })
}

/// Undoes percent-encoding and `+`. What is not UTF-8 afterwards gets replacement characters, and is refused later by
/// whoever expects something else.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    unescaped(text, true)
}

/// Undoes percent-encoding only: in a path `+` is itself.
pub(crate) fn decoded_path(text: &str) -> Cow<'_, str> {
    unescaped(text, false)
}

fn unescaped(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| bytes.get(at + 1..at + 3).and_then(hex)).flatten();
        out.push(match (escaped, byte) {
            (Some(value), _) => value,
            (None, b'+') if plus_is_space => b' ',
            (None, other) => other,
        });
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned().into()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let all: Vec<_> = pairs("a=1&b=x%20y+z&&c&d=%zz&e=%C3%A4&f=%").collect();
        let expected = [("a", "1"), ("b", "x y z"), ("c", ""), ("d", "%zz"), ("e", "ä"), ("f", "%")];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

//! Rules about Rust code, on its tokens: also what stands inside a macro's braces is read, comments and strings are not.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::findings::Finding;

const FUNCTION_LINES_MAX: usize = 70;
/// Macros of code that is not finished.
const FORBIDDEN_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

pub(super) fn check(place: &str, content: &str) -> Vec<Finding> {
    let tokens = match content.parse::<TokenStream>() {
        Ok(tokens) => tokens,
        Err(error) => return vec![Finding::new(place, format!("cannot be read as Rust: {error}"))],
    };
    let mut found = Vec::new();
    visit(place, tokens, &mut found);
    found
}

fn visit(place: &str, tokens: TokenStream, found: &mut Vec<Finding>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => visit(place, group.stream(), found),
            TokenTree::Ident(word) => {
                let rest = &tokens[index + 1..];
                let line = word.span().start().line;
                if word == "fn" {
                    found.extend(long_function(place, line, rest));
                } else if FORBIDDEN_MACROS.iter().any(|name| word == name) && is_punct(rest.first(), '!') {
                    found.push(Finding::new(format!("{place}:{line}"), format!("`{word}!` is not finished code")));
                }
            }
            _ => {}
        }
    }
}

/// From the line of `fn` to the line of the closing brace. `fn(…)` is a type and has no name, `fn f();` has no body.
fn long_function(place: &str, first: usize, rest: &[TokenTree]) -> Option<Finding> {
    let Some(TokenTree::Ident(name)) = rest.first() else { return None };
    let end = rest.iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(Some(group.span_close().end().line)),
        token if is_punct(Some(token), ';') => Some(None),
        _ => None,
    })??;
    let lines = end + 1 - first;
    (lines > FUNCTION_LINES_MAX).then(|| {
        let problem = format!("`{name}` has {lines} lines: the cap is {FUNCTION_LINES_MAX}, aim below 40");
        Finding::new(format!("{place}:{first}"), problem)
    })
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(content: &str, expected: &[&str]) {
        let found: Vec<_> = check("a.rs", content).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} should contain {expected:?}");
        }
    }

    /// A function of so many lines, braces included.
    fn function(lines: usize) -> String {
        format!("fn long(a: [u8; 3]) -> Option<u8> {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    }

    #[test]
    fn functions_up_to_the_cap_pass() {
        finds(&function(FUNCTION_LINES_MAX), &[]);
        finds(&function(FUNCTION_LINES_MAX).repeat(3), &[]);
    }

    #[test]
    fn a_long_function_is_found() {
        finds(&function(FUNCTION_LINES_MAX + 1), &["a.rs:1: `long` has 71 lines"]);
    }

    #[test]
    fn the_signature_counts() {
        let signature = format!("fn long(\n{}) {{}}\n", "    a: u8,\n".repeat(70));
        finds(&signature, &["`long` has 72 lines"]);
    }

    #[test]
    fn a_long_method_is_found_in_a_module_and_in_a_macro() {
        finds(&format!("mod m {{\nimpl A {{\n{}}}\n}}\n", function(80)), &["a.rs:3: `long`"]);
        finds(&format!("proptest! {{\n{}}}\n", function(80)), &["a.rs:2: `long`"]);
    }

    #[test]
    fn what_has_no_body_is_no_long_function() {
        let members = "    fn g(&self) {}\n".repeat(80);
        finds(&format!("trait A {{\n    fn f(&self);\n{members}}}\n"), &[]);
        finds(&format!("struct A {{\n    f: fn(u8) -> u8,\n{}}}\n", "    a: u8,\n".repeat(80)), &[]);
    }

    #[test]
    fn unfinished_code_is_found() {
        for name in FORBIDDEN_MACROS {
            finds(&format!("fn f() {{\n    {name}!()\n}}\n"), &[&format!("a.rs:2: `{name}!`")]);
        }
    }

    #[test]
    fn comments_strings_and_other_words_are_not_code() {
        finds("/// Never `todo!()`.\nfn todo() -> &'static str { todo(); \"dbg!(x)\" }\n", &[]);
    }

    #[test]
    fn what_is_not_rust_is_found() {
        finds("fn f( {\n", &["cannot be read as Rust"]);
    }
}

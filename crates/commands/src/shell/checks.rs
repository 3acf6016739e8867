//! What a script must not contain, because shells and the parser might read it differently, or the parser take too long.

use crate::Limits;
use crate::walker::Dialect;

/// Groups in brackets within each other are tried in several ways.
const GROUPS_MAX: usize = 12;
/// So are branches of a case.
const CASES_MAX: usize = 6;
/// Numbers of descriptors and directories that are longer are none.
const DIGITS_MAX: usize = 9;

/// Why a text is not parsed, if it is not.
pub(super) fn doubtful(text: &str, dialect: Dialect, limits: &Limits) -> Option<&'static str> {
    if text.len() > limits.script_bytes_max {
        return Some("the script is too long");
    }
    if text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
        return Some("the script has control characters");
    }
    if dialect == Dialect::Plain && !is_plain(text) {
        return Some("its shell has a grammar of its own");
    }
    if is_too_nested(text, limits) {
        return Some("the script is nested too much");
    }
    if has_long_numbers(text) {
        return Some("the script has a number that is too long for a descriptor");
    }
    if has_odd_quotes(text) {
        return Some("the script has quotes that shells and parsers read differently");
    }
    if has_odd_comments(text) {
        return Some("the script has a comment that shells and parsers read differently");
    }
    if dialect != Dialect::Bash && text.contains("function") {
        return Some("shells other than bash read `function` as a command");
    }
    if text.split("${").skip(1).any(|rest| !is_simple_parameter(rest)) {
        return Some("an expansion does more than to insert a variable");
    }
    None
}

/// Words, quotes and what parts commands: the same in every shell.
fn is_plain(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || " \t\n_./:,@+-'\"|&;".contains(letter))
}

fn is_too_nested(text: &str, limits: &Limits) -> bool {
    let bytes = text.as_bytes();
    let before = |at: usize| at.checked_sub(1).map_or(0, |before| bytes[before]);
    let opens = bytes.iter().filter(|byte| b"({`".contains(byte)).count() + text.matches("[[").count();
    let groups = (0..bytes.len()).filter(|at| bytes[*at] == b'(' && !b"$<>".contains(&before(*at))).count();
    let blocks = ["if", "while", "until", "for", "coproc"].map(|word| text.matches(word).count()).iter().sum::<usize>();
    opens + blocks > limits.brackets_max || groups > GROUPS_MAX || text.matches("case").count() > CASES_MAX
}

/// `12345678901>file`, `~12345678901`.
fn has_long_numbers(text: &str) -> bool {
    let mut digits = 0;
    let mut is_of_tilde = false;
    let mut previous = ['\0'; 2];
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            if digits == 0 {
                is_of_tilde = previous[0] == '~' || (previous[1] == '~' && "+-".contains(previous[0]));
            }
            digits += 1;
            if digits > DIGITS_MAX && is_of_tilde {
                return true;
            }
        } else {
            if digits > DIGITS_MAX && (letter == '<' || letter == '>') {
                return true;
            }
            digits = 0;
        }
        previous = [letter, previous[0]];
    }
    false
}

/// `$$'…'` and `\$'…'` begin no quote with escapes; a line that goes on within a word may hide what it is.
fn has_odd_quotes(text: &str) -> bool {
    let goes_on = text.match_indices("\\\n").any(|(at, _)| !text[..at].ends_with([' ', '\t']));
    goes_on || text.contains("$$'") || text.contains("\\$'") || text.contains("\\$\"")
}

/// Whether something may be a comment within a substitution. Documents are read as they stand, comments included.
pub(super) fn has_comments_within(document: &str) -> bool {
    let within = ["$(", "`"].iter().filter_map(|mark| document.find(mark)).min();
    let begins =
        |at: usize| document[..at].ends_with(|letter: char| letter.is_whitespace() || ";&|()<>`".contains(letter));
    within.is_some_and(|start| document.match_indices('#').any(|(at, _)| at > start && begins(at)))
}

/// Within a substitution, what ends and what begins with `#` depends on what stands before it; in a calculation it is no comment.
fn has_odd_comments(text: &str) -> bool {
    let blank = |letter: &char| matches!(letter, ' ' | '\t');
    let parts = |letter: &char| letter.is_whitespace() || ";&|()<>`".contains(*letter);
    let within = ["$(", "`", "<(", ">("].iter().filter_map(|mark| text.find(mark)).min();
    let calculated = ["((", "$["].iter().filter_map(|mark| text.find(mark)).min();
    text.match_indices('#').any(|(at, _)| {
        let mut before = text[..at].chars().rev();
        let (last, other) = (before.next(), before.next());
        let is_within = within.is_some_and(|start| start < at);
        let is_calculated = calculated.is_some_and(|start| start < at);
        let goes_on = last == Some('\n') && other == Some('\\');
        let is_far = last.as_ref().is_some_and(blank) && other.as_ref().is_none_or(parts);
        goes_on || (is_within && is_far) || (is_calculated && last.as_ref().is_none_or(parts))
    })
}

/// What is after `${` is a name and at most something that is compared or inserted, without quotes, substitutions and calculations.
fn is_simple_parameter(rest: &str) -> bool {
    let Some((inner, _)) = rest.split_once('}') else { return false };
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let is_harmless = |letter: char| is_name(letter) || " #%/.,:-?+*@^[]".contains(letter);
    let after_length = inner.strip_prefix('#').filter(|name| !name.is_empty()).unwrap_or(inner);
    let name = after_length.trim_start_matches(is_name);
    let special = ["@", "*", "#", "?", "-", "$"].contains(&after_length);
    if special {
        return true;
    }
    if name.len() == after_length.len() || !name.chars().all(is_harmless) {
        return false;
    }
    let (index, operator) = match name.strip_prefix('[').and_then(|name| name.split_once(']')) {
        Some((index, operator)) => (index, operator),
        None => ("0", name),
    };
    let is_index =
        index == "@" || index == "*" || (!index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()));
    // `:1:2` is calculated, `@P` is evaluated.
    let is_calculated = operator.strip_prefix(':').is_some_and(|part| {
        !part.starts_with(['-', '+', '?']) && !part.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
    });
    is_index && !is_calculated && !operator.starts_with('@') && !operator.contains(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_simple_if_nothing_is_evaluated() {
        for simple in ["x}", "x:-y}", "x%.*}", "#x}", "1}", "a[0]}", "a[@]}", "x:1:2}", "x##*/}", "x/a/b}", "@}", "#}"]
        {
            assert!(is_simple_parameter(simple), "{simple}");
        }
        for odd in [
            "x",
            "!x}",
            " x;}",
            "| x}",
            "x:-$(y)}",
            "x:-'}'}",
            "x@P}",
            "a[i]}",
            "a[$i]}",
            "x:y}",
            "x:-\"a\"}",
            "x:=y}",
            "x:-${y}}",
            "}",
        ] {
            assert!(!is_simple_parameter(odd), "{odd}");
        }
    }

    #[test]
    fn long_numbers_are_found_where_they_are_read_as_descriptors() {
        assert!(
            has_long_numbers("echo 99999999999>x")
                && has_long_numbers("ls ~99999999999")
                && has_long_numbers("ls ~+99999999999")
        );
        assert!(!has_long_numbers("date -d @1700000000000; echo 2>x"));
    }
}

//! Small languages of which enough is known to say that a program in them runs nothing: sed and awk.

use crate::Word;
use crate::options::Parsed;
use crate::table::Effect;
use crate::walker::{Context, Known, Walker};

impl Walker<'_> {
    pub(crate) fn sed(&mut self, known: &Known<'_>, parsed: &Parsed, operands: &[Word], within: &Context) {
        let given: Vec<&Word> =
            parsed.found.iter().filter(|(effect, _)| *effect == Effect::Code).map(|(_, code)| code).collect();
        let (scripts, files) = match (given.is_empty(), operands.split_first()) {
            (false, _) => (given, operands),
            (true, Some((script, files))) => (vec![script], files),
            (true, None) => return,
        };
        if !scripts.iter().all(|script| script.literal().is_some_and(is_harmless_sed)) {
            self.opaque(&known.shown, "what this program for sed does is not known", within);
        }
        if parsed.has(Effect::InPlace) {
            files.iter().for_each(|file| self.writes(file));
        }
    }

    pub(crate) fn awk(&mut self, known: &Known<'_>, operands: &[Word], within: &Context) {
        let Some(program) = operands.first() else { return };
        if !program.literal().is_some_and(is_harmless_awk) {
            self.opaque(&known.shown, "what this program for awk does is not known", within);
        }
    }
}

/// Nothing in it calls anything, reads or writes anything else than the input and the output.
fn is_harmless_awk(program: &str) -> bool {
    !["system", "getline", "|", ">", "@", "\\\n"].iter().any(|danger| program.contains(danger))
}

/// Commands that only change and print text, with addresses of the simple forms.
fn is_harmless_sed(script: &str) -> bool {
    // An empty one may be what another sed takes for a suffix.
    if script.is_empty() {
        return false;
    }
    let mut rest = script.trim_start_matches([' ', ';', '\n', '\t']);
    while !rest.is_empty() {
        let Some(after) = address(rest).and_then(command) else { return false };
        let after = after.trim_start_matches([' ', '\t']);
        rest = after.trim_start_matches([' ', ';', '\n', '\t']);
        // A command ends where it is parted from the next.
        if rest.len() == after.len() && !rest.is_empty() {
            return false;
        }
    }
    true
}

/// What is after `1`, `$`, `/text/` and two of them.
fn address(text: &str) -> Option<&str> {
    let mut rest = one_address(text)?;
    if let Some(second) = rest.strip_prefix(',') {
        rest = one_address(second)?;
    }
    let rest = rest.trim_start_matches(' ');
    Some(rest.strip_prefix('!').unwrap_or(rest).trim_start_matches(' '))
}

fn one_address(text: &str) -> Option<&str> {
    match text.chars().next()? {
        '$' => Some(&text[1..]),
        '/' => until(&text[1..], '/'),
        letter if letter.is_ascii_digit() => {
            Some(text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '~'))
        }
        _ => Some(text),
    }
}

fn command(text: &str) -> Option<&str> {
    let (letter, rest) = (text.chars().next()?, text.get(1..)?);
    match letter {
        'p' | 'd' | 'q' | 'n' | 'N' | 'D' | 'P' | 'h' | 'H' | 'g' | 'G' | 'x' | '=' => Some(rest),
        's' | 'y' => {
            let delimiter = rest.chars().next().filter(|mark| mark.is_ascii_punctuation() && *mark != '\\')?;
            let rest = until(until(&rest[1..], delimiter)?, delimiter)?;
            // `e` would run something, `w` would write.
            if letter == 's' {
                Some(rest.trim_start_matches(|flag: char| "gpiIM".contains(flag) || flag.is_ascii_digit()))
            } else {
                Some(rest)
            }
        }
        _ => None,
    }
}

/// What is after the next mark that is not escaped. Where brackets or line ends make that doubtful, nothing.
fn until(text: &str, mark: char) -> Option<&str> {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' => return None,
            _ if letter == mark => return Some(&text[at + letter.len_utf8()..]),
            // Within them the mark would be a letter like others.
            '[' if text[at..].find(']').is_none_or(|end| text[at..at + end].contains(mark)) => return None,
            _ => {}
        }
    }
    None
}

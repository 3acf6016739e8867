//! Options as GNU programs take them: clusters, attached values, abbreviations.

use crate::Word;
use crate::table::{Effect, Entry, Name, Opt, Rest, Takes};

/// What the words after a program's name are.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// What options do, with their values.
    pub(crate) found: Vec<(Effect, Word)>,
    /// The words that are no options, and all after the first of them if that begins a command.
    pub(crate) operands: Vec<Word>,
}

impl Parsed {
    pub(crate) fn has(&self, effect: Effect) -> bool {
        self.found.iter().any(|(found, _)| *found == effect)
    }
}

/// Takes the words apart.
///
/// # Errors
/// Why it cannot be told what they are.
pub(crate) fn parse(entry: &Entry, arguments: &[Word]) -> Result<Parsed, String> {
    if entry.is_scanned {
        scan(entry, arguments)
    } else {
        Strict { entry, words: arguments, parsed: Parsed::default() }.parse()
    }
}

struct Strict<'a> {
    entry: &'a Entry,
    words: &'a [Word],
    parsed: Parsed,
}

impl Strict<'_> {
    fn parse(mut self) -> Result<Parsed, String> {
        let stops = !matches!(
            self.entry.rest,
            Rest::Nothing
                | Rest::Login
                | Rest::Reads
                | Rest::Writes
                | Rest::Deletes
                | Rest::Sed
                | Rest::Opaque
                | Rest::Repositories
        );
        while let Some((word, rest)) = self.words.split_first() {
            let is_harmless = word.literal().is_none() && !self.entry.can_run();
            if !word.may_be_an_option() || word.literal() == Some("-") || is_harmless {
                if stops {
                    break;
                }
                self.parsed.operands.push(word.clone());
                self.words = rest;
                continue;
            }
            let Some(text) = word.literal() else { return Err("an expansion may be an option".to_owned()) };
            self.words = rest;
            match text.strip_prefix("--") {
                Some("") => break,
                Some(long) => self.long(long)?,
                None => self.cluster(&text[1..])?,
            }
        }
        self.parsed.operands.extend_from_slice(self.words);
        Ok(self.parsed)
    }

    fn long(&mut self, written: &str) -> Result<(), String> {
        let (name, value) = match written.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (written, None),
        };
        let options = self.entry.options.iter();
        let exact = options.clone().find(|option| option.long() == Some(name));
        let mut meant = options.filter(|option| option.long().is_some_and(|long| long.starts_with(name)));
        let option = match (exact, meant.next(), meant.next()) {
            (Some(option), ..) | (None, Some(option), None) => option,
            _ => return Err(format!("what its option --{name} does is not known")),
        };
        let value = match (option.takes, value) {
            (Takes::Value, None) => self.value()?,
            (Takes::Nothing, Some(_)) => return Err(format!("its option --{name} takes no value")),
            (_, value) => Word::Literal(value.unwrap_or_default().to_owned()),
        };
        self.parsed.found.push((option.effect, value));
        Ok(())
    }

    fn cluster(&mut self, letters: &str) -> Result<(), String> {
        if self.entry.has_numbers && letters.bytes().all(|letter| letter.is_ascii_digit()) {
            return Ok(());
        }
        for (at, letter) in letters.char_indices() {
            let Some(option) = short(self.entry, letter) else {
                return Err(format!("what its option -{letter} does is not known"));
            };
            let attached = &letters[at + letter.len_utf8()..];
            let value = match option.takes {
                Takes::Nothing => {
                    self.parsed.found.push((option.effect, Word::Literal(String::new())));
                    continue;
                }
                Takes::Value if attached.is_empty() => self.value()?,
                Takes::Value | Takes::Attached => Word::Literal(attached.to_owned()),
            };
            self.parsed.found.push((option.effect, value));
            break;
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Word, String> {
        let (word, rest) = self.words.split_first().ok_or("an option is without its value")?;
        self.words = rest;
        match word.literal().is_some() || !self.entry.can_run() {
            true => Ok(word.clone()),
            false => Err("the value of an option is an expansion".to_owned()),
        }
    }
}

/// Looks for the options that matter wherever they may be, also where they may be something else.
fn scan(entry: &Entry, arguments: &[Word]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    for (at, word) in arguments.iter().enumerate() {
        let next = arguments.get(at + 1);
        let Some(text) = word.literal() else {
            if word.may_be_an_option() && entry.can_run() {
                return Err("an expansion may be an option".to_owned());
            }
            parsed.operands.push(word.clone());
            continue;
        };
        scan_word(entry, text, next, &mut parsed)?;
        match text.strip_prefix("--") {
            Some(long) if !long.is_empty() => scan_long(entry, long, next, &mut parsed)?,
            _ if text.starts_with('-') => scan_cluster(entry, text.trim_start_matches('-'), next, &mut parsed)?,
            // The values of such letters stand in other words, in their order.
            _ if entry.is_old && at == 0 && text.chars().any(|letter| short(entry, letter).is_some()) => {
                return Err("which word is the value of which letter is not known".to_owned());
            }
            _ => parsed.operands.push(word.clone()),
        }
    }
    Ok(parsed)
}

fn scan_word(entry: &Entry, text: &str, next: Option<&Word>, parsed: &mut Parsed) -> Result<(), String> {
    for option in &entry.options {
        let Name::Word(word) = option.name else { continue };
        match text.strip_prefix(word) {
            Some("") => tell(option, None, next, parsed)?,
            Some(attached) if word.starts_with(['-', '@']) => tell(option, Some(attached), next, parsed)?,
            _ => {}
        }
    }
    Ok(())
}

fn scan_long(entry: &Entry, written: &str, next: Option<&Word>, parsed: &mut Parsed) -> Result<(), String> {
    let (name, value) = match written.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (written, None),
    };
    let exact = entry.options.iter().find(|option| option.long() == Some(name));
    let meant = entry.options.iter().filter(|option| option.long().is_some_and(|long| long.starts_with(name)));
    for option in exact.into_iter().chain(meant.filter(|_| exact.is_none())) {
        tell(option, value, next, parsed)?;
    }
    Ok(())
}

fn scan_cluster(entry: &Entry, letters: &str, next: Option<&Word>, parsed: &mut Parsed) -> Result<(), String> {
    for (at, letter) in letters.char_indices() {
        let attached = &letters[at + letter.len_utf8()..];
        if let Some(option) = short(entry, letter) {
            tell(option, (!attached.is_empty()).then_some(attached), next, parsed)?;
        }
    }
    Ok(())
}

fn tell(option: &Opt, value: Option<&str>, next: Option<&Word>, parsed: &mut Parsed) -> Result<(), String> {
    let value = match (option.takes, value, next) {
        (Takes::Nothing, ..) => String::new(),
        (_, Some(value), _) => value.trim_start_matches('=').to_owned(),
        (Takes::Value, None, Some(next)) => match next.literal() {
            Some(next) => next.to_owned(),
            None => return Err("the value of an option is an expansion".to_owned()),
        },
        (_, None, _) => String::new(),
    };
    parsed.found.push((option.effect, Word::Literal(value)));
    Ok(())
}

fn short(entry: &Entry, letter: char) -> Option<&Opt> {
    entry.options.iter().find(|option| option.name == Name::Short(letter))
}

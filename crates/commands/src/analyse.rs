use std::collections::BTreeSet;
use std::{panic, thread};

use crate::walker::{Context, Dialect, Walker};
use crate::{Analysis, Limits, Opaque, Word};

/// Parsers of nested text call themselves; what the limits let through fits here many times.
const STACK_BYTES: usize = 32 << 20;

/// What these words would run, without a shell taking them apart.
pub fn argv<S: AsRef<str>>(words: impl IntoIterator<Item = S>, limits: &Limits) -> Analysis {
    let words: Vec<Word> = words.into_iter().map(|word| Word::Literal(word.as_ref().to_owned())).collect();
    let walk = |walker: &mut Walker<'_>| walker.run(&words, &Context::of_words());
    // Most commands run nothing else, and so nothing is parsed: a thread of their own would cost more than they do.
    let alone = Limits { depth_max: 0, ..limits.clone() };
    match panic::catch_unwind(|| walked(&alone, walk)) {
        Ok(found) if found.opaque.is_empty() => found,
        _ => analyse(limits, walk),
    }
}

/// What this script would run, whichever POSIX shell reads it. Where bash would read something else than others, it is opaque.
pub fn script(text: &str, limits: &Limits) -> Analysis {
    analyse(limits, |walker| walker.script(text, Dialect::Posix, &Context::of_script()))
}

/// On a stack of its own. A parser that panics has not understood.
fn analyse(limits: &Limits, walk: impl FnOnce(&mut Walker<'_>) + Send) -> Analysis {
    let found = thread::scope(|scope| {
        let walking = thread::Builder::new().name("commands".to_owned()).stack_size(STACK_BYTES);
        let walking = walking.spawn_scoped(scope, || walked(limits, walk));
        walking.ok()?.join().ok()
    });
    found.unwrap_or_else(|| {
        let why = "it could not be analysed".to_owned();
        Analysis { opaque: vec![Opaque { what: String::new(), why, place: String::new() }], ..Analysis::default() }
    })
}

fn walked(limits: &Limits, walk: impl FnOnce(&mut Walker<'_>)) -> Analysis {
    let mut walker = Walker::new(limits);
    walk(&mut walker);
    walker.finish()
}

/// Names of functions that a script has defined so far, for certain.
pub(crate) type Functions = BTreeSet<String>;

//! The expressions of `find`.

use crate::Word;
use crate::walker::{Context, Known, Walker};

const FLAGS: &[&str] = &[
    "-H",
    "-L",
    "-P",
    "-a",
    "-and",
    "-o",
    "-or",
    "-not",
    "!",
    "(",
    ")",
    ",",
    "-daystart",
    "-depth",
    "-d",
    "-follow",
    "-ignore_readdir_race",
    "-noignore_readdir_race",
    "-mount",
    "-xdev",
    "-noleaf",
    "-nowarn",
    "-warn",
    "-empty",
    "-executable",
    "-false",
    "-true",
    "-nogroup",
    "-nouser",
    "-readable",
    "-writable",
    "-ls",
    "-print",
    "-print0",
    "-prune",
    "-quit",
    "-X",
    "-E",
    "-x",
    "-s",
    "-help",
    "--help",
    "-version",
    "--version",
    "-O0",
    "-O1",
    "-O2",
    "-O3",
];
const VALUES: &[&str] = &[
    "-D",
    "-maxdepth",
    "-mindepth",
    "-regextype",
    "-amin",
    "-anewer",
    "-atime",
    "-cmin",
    "-cnewer",
    "-ctime",
    "-fstype",
    "-gid",
    "-group",
    "-ilname",
    "-iname",
    "-inum",
    "-ipath",
    "-iregex",
    "-iwholename",
    "-links",
    "-lname",
    "-mmin",
    "-mtime",
    "-name",
    "-newer",
    "-path",
    "-perm",
    "-regex",
    "-samefile",
    "-size",
    "-type",
    "-uid",
    "-used",
    "-user",
    "-wholename",
    "-xtype",
    "-context",
    "-printf",
    "-newermt",
    "-newerat",
    "-newerct",
    "-newermm",
    "-flags",
    "-acl",
    "-depth1",
];

impl Walker<'_> {
    pub(crate) fn find(&mut self, known: &Known<'_>, within: &Context) {
        let mut words = known.arguments;
        let mut paths: Vec<Word> = Vec::new();
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            let Some(text) = word.literal() else {
                if word.may_be_an_option() || word.beginning().starts_with(['(', '!']) {
                    return self.opaque(&known.shown, "an expansion may be a part of its expression", within);
                }
                paths.push(word.clone());
                continue;
            };
            match text {
                "-exec" | "-execdir" | "-ok" | "-okdir" => match self.executed(words, known, within) {
                    Some(after) => words = after,
                    None => return,
                },
                "-delete" => paths_or_here(&paths).iter().for_each(|path| self.deletes(path)),
                "-fprint" | "-fprint0" | "-fls" | "-fprintf" | "-files0-from" => {
                    let Some((file, rest)) = words.split_first() else { break };
                    if text == "-files0-from" {
                        self.reads(file)
                    } else {
                        self.writes(file)
                    }
                    words = if text == "-fprintf" { rest.get(1..).unwrap_or_default() } else { rest };
                }
                _ if FLAGS.contains(&text) => {}
                // A value is one word, whatever it is; an expansion may be more.
                _ if VALUES.contains(&text) => match words.split_first() {
                    Some((Word::Literal(_), rest)) => words = rest,
                    Some(_) => {
                        return self.opaque(&known.shown, "an expansion may be a part of its expression", within);
                    }
                    None => {}
                },
                _ if text.starts_with('-') => {
                    return self.opaque(&known.shown, format!("what its {text} does is not known"), within);
                }
                _ => paths.push(word.clone()),
            }
        }
    }

    /// Up to `;` or `{} +`; what is after it.
    fn executed<'w>(&mut self, words: &'w [Word], known: &Known<'_>, within: &Context) -> Option<&'w [Word]> {
        let is_end = |at: &usize| {
            let (word, before) = (words[*at].literal(), at.checked_sub(1).and_then(|before| words[before].literal()));
            word == Some(";") || (word == Some("+") && before == Some("{}"))
        };
        let Some(end) = (0..words.len()).find(is_end) else {
            self.opaque(&known.shown, "where its command ends is not known", within);
            return None;
        };
        let argv: Vec<Word> = words[..end].iter().map(|word| replaced(word, "{}")).collect();
        self.run(&argv, within);
        Some(&words[end + 1..])
    }
}

/// A word in which something else is put wherever a mark is.
pub(super) fn replaced(word: &Word, mark: &str) -> Word {
    match word.literal().and_then(|text| text.find(mark).map(|at| text[..at].to_owned())) {
        Some(before) => Word::Begins(before),
        None => word.clone(),
    }
}

fn paths_or_here(paths: &[Word]) -> Vec<Word> {
    if paths.is_empty() { vec![Word::Literal(".".to_owned())] } else { paths.to_vec() }
}

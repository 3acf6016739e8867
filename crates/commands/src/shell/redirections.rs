//! Redirections: the files that they read and write.

use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoHereDocument, IoRedirect, RedirectList};

use super::Reader;
use crate::Word;
use crate::walker::Dialect;

/// What a redirection makes of the input of a command.
pub(super) enum Input {
    /// It stays.
    Same,
    /// This text.
    Text(Word),
    /// Something else.
    Other,
}

impl Reader<'_, '_> {
    pub(super) fn redirections(&mut self, list: Option<&RedirectList>) {
        list.into_iter().flat_map(|list| &list.0).for_each(|redirection| drop(self.redirection(redirection)));
    }

    pub(super) fn redirection(&mut self, redirection: &IoRedirect) -> Input {
        let is_input = |descriptor: &Option<i32>| descriptor.is_none_or(|number| number == 0);
        match redirection {
            IoRedirect::File(descriptor, kind, target) => {
                self.file(kind, target);
                let reads = matches!(
                    kind,
                    IoFileRedirectKind::Read | IoFileRedirectKind::ReadAndWrite | IoFileRedirectKind::DuplicateInput
                );
                if *descriptor == Some(0) || (descriptor.is_none() && reads) { Input::Other } else { Input::Same }
            }
            IoRedirect::HereDocument(descriptor, document) => {
                let text = self.here(document);
                if is_input(descriptor) { Input::Text(text) } else { Input::Same }
            }
            IoRedirect::HereString(descriptor, word) => {
                let text = self.word(&word.value);
                if is_input(descriptor) { Input::Text(text) } else { Input::Same }
            }
            IoRedirect::OutputAndError(word, _) => {
                if self.dialect != Dialect::Bash {
                    self.opaque(&word.value, "shells other than bash end a command at `&>`");
                }
                let path = self.word(&word.value);
                self.walker.writes(&path);
                Input::Same
            }
        }
    }

    fn here(&mut self, document: &IoHereDocument) -> Word {
        let tag = &document.here_end.value;
        if !tag.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.'\"\\".contains(letter)) {
            self.opaque(tag, "where a document ends is not understood");
            return Word::Unknown;
        }
        match document.requires_expansion {
            true => self.document(&document.doc.value),
            false => Word::Literal(document.doc.value.clone()),
        }
    }

    fn file(&mut self, kind: &IoFileRedirectKind, target: &IoFileRedirectTarget) {
        let (word, is_duplicate) = match target {
            IoFileRedirectTarget::Filename(word) => (word, false),
            IoFileRedirectTarget::Duplicate(word) => (word, true),
            IoFileRedirectTarget::Fd(_) => return,
            IoFileRedirectTarget::ProcessSubstitution(_, group) => {
                return self.uncertain(|reader| reader.list(&group.list));
            }
        };
        let path = self.word(&word.value);
        // `2>&1`, `3>&-`: a descriptor, not a file.
        let is_descriptor = |text: &str| text.trim_end_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if is_duplicate && path.literal().is_some_and(is_descriptor) {
            return;
        }
        let may_expand = path.literal().is_none_or(|text| text.contains(['$', '`']));
        if matches!(kind, IoFileRedirectKind::DuplicateOutput) && may_expand {
            self.opaque(&word.value, "what is after `>&` is expanded twice");
        }
        match kind {
            IoFileRedirectKind::Read | IoFileRedirectKind::DuplicateInput => self.walker.reads(&path),
            IoFileRedirectKind::ReadAndWrite => {
                self.walker.reads(&path);
                self.walker.writes(&path);
            }
            IoFileRedirectKind::Write
            | IoFileRedirectKind::Append
            | IoFileRedirectKind::Clobber
            | IoFileRedirectKind::DuplicateOutput => self.walker.writes(&path),
        }
    }
}

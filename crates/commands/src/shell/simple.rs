//! Simple commands: assignments, a program and its words, redirections.

use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem as Item, IoRedirect, SimpleCommand,
};

use super::Reader;
use super::redirections::Input;
use crate::Word;

/// What no function takes the place of in every shell.
const SPECIAL: &[&str] = &[
    ".", ":", "break", "builtin", "command", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set",
    "shift", "source", "times", "trap", "unset",
];

/// What takes arrays among its words.
const DECLARING: &[&str] = &["declare", "local", "readonly", "typeset"];

impl Reader<'_, '_> {
    pub(super) fn simple(&mut self, command: &SimpleCommand) {
        let inner = self.at(command);
        let outer = std::mem::replace(&mut self.context, inner);
        self.whole(command);
        self.context = outer;
    }

    fn whole(&mut self, command: &SimpleCommand) {
        let mut input = Input::Same;
        for item in command.prefix.iter().flat_map(|prefix| &prefix.0) {
            match item {
                Item::AssignmentWord(assignment, _) => self.assigned(assignment),
                item => drop(self.item(item, &mut input)),
            }
        }
        let Some(program) = &command.word_or_name else { return };
        let mut argv = vec![self.word(&program.value)];
        let items: Vec<&Item> = command.suffix.iter().flat_map(|suffix| &suffix.0).collect();
        if items.iter().any(|item| matches!(item, Item::IoRedirect(IoRedirect::HereDocument(..))))
            && has_brackets(&items)
        {
            // In brackets of an array, what begins a document is a shift.
            self.opaque(&command.to_string(), "a document and brackets in one command are read in several ways");
        }
        let declares = argv[0].literal().is_some_and(|name| DECLARING.contains(&name));
        for item in items {
            let word = self.item(item, &mut input);
            argv.extend(match item {
                // It has got its values; what is left to do is done with the name.
                Item::AssignmentWord(list @ Assignment { value: AssignmentValue::Array(_), .. }, _) if declares => {
                    Some(Word::Literal(name(list).to_owned()))
                }
                _ => word,
            });
        }
        let is_function = |name: &str| self.walker.functions.contains(name) && !SPECIAL.contains(&name);
        if argv[0].literal().is_some_and(is_function) {
            return;
        }
        let mut context = self.context.clone();
        context.stdin = match input {
            Input::Text(text) => Some(text),
            Input::Same | Input::Other => None,
        };
        self.walker.run(&argv, &context);
    }

    /// A word, or what stands among the words; the word, if it is one.
    fn item(&mut self, item: &Item, input: &mut Input) -> Option<Word> {
        match item {
            Item::IoRedirect(redirection) => {
                match self.redirection(redirection) {
                    Input::Same => {}
                    other => *input = other,
                }
                None
            }
            Item::Word(word) => Some(self.word(&word.value)),
            Item::AssignmentWord(Assignment { value: AssignmentValue::Scalar(_), .. }, word) => {
                Some(self.word(&word.value))
            }
            Item::AssignmentWord(assignment, _) => {
                self.assigned(assignment);
                Some(Word::Begins(format!("{}=", name(assignment))))
            }
            Item::ProcessSubstitution(_, group) => {
                self.uncertain(|reader| reader.list(&group.list));
                Some(Word::Begins("/dev/fd/".to_owned()))
            }
        }
    }

    fn assigned(&mut self, assignment: &Assignment) {
        if let AssignmentName::ArrayElementName(_, index) = &assignment.name {
            self.arithmetic(index);
        }
        self.variable(name(assignment));
        self.walker.has_arrays |= is_of_array(assignment);
        match &assignment.value {
            AssignmentValue::Scalar(word) => drop(self.word(&word.value)),
            AssignmentValue::Array(elements) => {
                for (index, word) in elements {
                    index.iter().for_each(|index| self.arithmetic(&index.value));
                    if index.is_none() && word.value.starts_with('[') {
                        self.opaque(&word.value, "an index of an array is calculated, which may run commands");
                    }
                    self.word(&word.value);
                }
            }
        }
    }
}

const fn is_of_array(assignment: &Assignment) -> bool {
    matches!(assignment.name, AssignmentName::ArrayElementName(..))
        || matches!(assignment.value, AssignmentValue::Array(_))
}

fn name(assignment: &Assignment) -> &str {
    match &assignment.name {
        AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _) => name,
    }
}

fn has_brackets(items: &[&Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Word(word) | Item::AssignmentWord(_, word) => word.value.contains(['[', ']']),
        Item::IoRedirect(IoRedirect::HereDocument(_, document)) => document.here_end.value.contains(']'),
        Item::IoRedirect(_) | Item::ProcessSubstitution(..) => false,
    })
}

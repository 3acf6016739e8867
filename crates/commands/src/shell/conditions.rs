//! `[[ … ]]`, which calculates and compares.

use brush_parser::ast::{BinaryPredicate, ExtendedTestExpr, UnaryPredicate};

use super::Reader;
use crate::Word;
use crate::walker::Dialect;

impl Reader<'_, '_> {
    pub(super) fn extended_test(&mut self, expression: &ExtendedTestExpr) {
        if self.dialect != Dialect::Bash {
            self.opaque("[[", "shells other than bash read `[[` as a command");
        }
        self.expression(expression);
    }

    fn expression(&mut self, expression: &ExtendedTestExpr) {
        match expression {
            ExtendedTestExpr::And(one, other) | ExtendedTestExpr::Or(one, other) => {
                self.expression(one);
                self.expression(other);
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => self.expression(inner),
            ExtendedTestExpr::UnaryTest(predicate, word) => {
                let word = self.word(&word.value);
                let names = matches!(
                    predicate,
                    UnaryPredicate::ShellVariableIsSetAndAssigned | UnaryPredicate::ShellVariableIsSetAndNameRef
                );
                if names && word.literal().is_none_or(|name| name.contains('[')) {
                    self.opaque(&word.shown(), "an index of an array is calculated, which may run commands");
                }
            }
            ExtendedTestExpr::BinaryTest(predicate, left, right) => {
                let words = [self.word(&left.value), self.word(&right.value)];
                if calculates(predicate) {
                    words.iter().for_each(|word| self.number(word));
                }
            }
        }
    }

    fn number(&mut self, word: &Word) {
        match word.literal() {
            Some(text) => self.arithmetic(text),
            None => self.opaque(&word.shown(), "what variables contain is calculated, which may run commands"),
        }
    }
}

const fn calculates(predicate: &BinaryPredicate) -> bool {
    matches!(
        predicate,
        BinaryPredicate::ArithmeticEqualTo
            | BinaryPredicate::ArithmeticNotEqualTo
            | BinaryPredicate::ArithmeticLessThan
            | BinaryPredicate::ArithmeticLessThanOrEqualTo
            | BinaryPredicate::ArithmeticGreaterThan
            | BinaryPredicate::ArithmeticGreaterThanOrEqualTo
    )
}

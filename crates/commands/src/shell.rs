//! Scripts of POSIX shells and bash: what each command in them is.

mod checks;
mod conditions;
mod expansions;
mod quotes;
mod redirections;
mod simple;

use brush_parser::ast::{
    self, AndOr, CompoundCommand, CompoundList, FunctionDefinition, Pipeline, SeparatorOperator, SourceLocation,
};
use brush_parser::{Parser, ParserOptions};

use crate::Word;
use crate::walker::{Context, Dialect, Walker};

impl Walker<'_> {
    /// A script that a shell reads from its beginning.
    pub(crate) fn script(&mut self, text: &str, dialect: Dialect, context: &Context) {
        // Functions of one process are none of another.
        let outer = std::mem::take(&mut self.functions);
        let within = Context { stdin: None, ..context.within() };
        Reader { walker: self, dialect, context: within, is_certain: true, may_unset: text.contains("unset") }
            .read(text);
        self.functions = outer;
    }
}

/// Goes through a script.
pub(crate) struct Reader<'w, 'a> {
    pub(crate) walker: &'w mut Walker<'a>,
    pub(crate) dialect: Dialect,
    pub(crate) context: Context,
    /// Whether what is read runs for certain, before all that comes later.
    pub(crate) is_certain: bool,
    /// Whether functions may be taken away again.
    pub(crate) may_unset: bool,
}

impl Reader<'_, '_> {
    /// Also of what is substituted: that runs in a copy of the same shell.
    pub(crate) fn read(&mut self, text: &str) {
        let context = self.context.clone();
        if !self.walker.may_enter(text, &context) {
            return;
        }
        if let Some(why) = checks::doubtful(text, self.dialect, self.walker.limits) {
            return self.walker.opaque(text, why, &context);
        }
        match Parser::new(text.as_bytes(), &options()).parse_program() {
            Ok(program) => program.complete_commands.iter().for_each(|list| self.list(list)),
            Err(_) => self.walker.opaque(text, "the script cannot be parsed", &context),
        }
    }

    /// A substitution, a group, a branch: it may run, and in a shell of its own.
    pub(crate) fn uncertain(&mut self, read: impl FnOnce(&mut Self)) {
        let was_certain = std::mem::replace(&mut self.is_certain, false);
        read(self);
        self.is_certain = was_certain;
    }

    pub(crate) fn substitution(&mut self, text: &str) {
        let outer = self.context.clone();
        self.context = outer.within();
        self.uncertain(|reader| reader.read(text));
        self.context = outer;
    }

    pub(crate) fn opaque(&mut self, what: &str, why: &str) {
        let context = self.context.clone();
        self.walker.opaque(what, why, &context);
    }

    /// Where something is, from where the script is.
    pub(crate) fn at(&self, node: &impl SourceLocation) -> Context {
        let Some(span) = node.location() else { return self.context.clone() };
        let place = format!("{} > {}:{}", self.context.place, span.start.line, span.start.column);
        // Within many scripts, the outermost matter.
        let place = if self.context.place.len() < 200 { place } else { self.context.place.clone() };
        Context { place, ..self.context.clone() }
    }

    pub(crate) fn list(&mut self, list: &CompoundList) {
        for ast::CompoundListItem(and_or, separator) in &list.0 {
            let is_alone = and_or.additional.is_empty() && matches!(separator, SeparatorOperator::Sequence);
            if is_alone {
                self.pipeline(&and_or.first);
                continue;
            }
            self.uncertain(|reader| {
                reader.pipeline(&and_or.first);
                for AndOr::And(pipeline) | AndOr::Or(pipeline) in &and_or.additional {
                    reader.pipeline(pipeline);
                }
            });
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        match &pipeline.seq[..] {
            [command] => self.command(command),
            commands => self.uncertain(|reader| commands.iter().for_each(|command| reader.command(command))),
        }
    }

    fn command(&mut self, command: &ast::Command) {
        match command {
            ast::Command::Simple(simple) => self.simple(simple),
            ast::Command::Compound(compound, redirections) => {
                self.redirections(redirections.as_ref());
                self.uncertain(|reader| reader.compound(compound));
            }
            ast::Command::Function(function) => self.function(function),
            ast::Command::ExtendedTest(test, redirections) => {
                self.redirections(redirections.as_ref());
                self.extended_test(&test.expr);
            }
        }
    }

    /// Its body is judged where it stands, whether it is called or not.
    fn function(&mut self, function: &FunctionDefinition) {
        let name = self.word(&function.fname.value);
        let ast::FunctionBody(body, redirections) = &function.body;
        self.redirections(redirections.as_ref());
        self.uncertain(|reader| reader.compound(body));
        match name {
            Word::Literal(name) if self.is_certain && !self.may_unset => drop(self.walker.functions.insert(name)),
            Word::Literal(_) => {}
            Word::Begins(_) | Word::Unknown => {
                self.opaque(&function.fname.value, "the name of a function is an expansion")
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(command) => self.arithmetic_command(&[Some(&command.expr)]),
            CompoundCommand::ArithmeticForClause(command) => {
                let ast::ArithmeticForClauseCommand { initializer, condition, updater, body, .. } = command;
                self.arithmetic_command(&[initializer.as_ref(), condition.as_ref(), updater.as_ref()]);
                self.list(&body.list);
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(group) => self.list(&group.list),
            CompoundCommand::ForClause(command) => {
                self.variable(&command.variable_name);
                command.values.iter().flatten().for_each(|word| drop(self.word(&word.value)));
                self.list(&command.body.list);
            }
            CompoundCommand::CaseClause(command) => {
                self.word(&command.value.value);
                for case in &command.cases {
                    case.patterns.iter().for_each(|pattern| drop(self.word(&pattern.value)));
                    case.cmd.iter().for_each(|list| self.list(list));
                }
            }
            CompoundCommand::IfClause(command) => {
                self.list(&command.condition);
                self.list(&command.then);
                for branch in command.elses.iter().flatten() {
                    branch.condition.iter().for_each(|list| self.list(list));
                    self.list(&branch.body);
                }
            }
            CompoundCommand::WhileClause(command) | CompoundCommand::UntilClause(command) => {
                self.list(&command.0);
                self.list(&command.1.list);
            }
            CompoundCommand::Coprocess(command) => {
                self.walker.has_arrays = true;
                command.name.iter().for_each(|name| drop(self.word(&name.value)));
                self.command(&command.body);
            }
        }
    }

    fn arithmetic_command(&mut self, expressions: &[Option<&ast::UnexpandedArithmeticExpr>]) {
        if self.dialect != Dialect::Bash {
            self.opaque("((", "shells other than bash read two brackets as groups");
        }
        expressions.iter().flatten().for_each(|expression| self.arithmetic(&expression.value));
    }

    /// A variable that gets a value.
    pub(crate) fn variable(&mut self, name: &str) {
        let context = self.context.clone();
        self.walker.assignment(name, name, &context);
    }
}

/// Extended patterns are off where scripts begin.
pub(crate) fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

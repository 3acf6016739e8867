//! What every operation promises, as data: cases made from a table, for a test to run through a socket.
//!
//! ```
//! use std::sync::Arc;
//! use orchestrator_rpc::{Table, contract};
//! use orchestrator_vocab::SystemClock;
//! let table = Table::new().with_discovery(Arc::new(SystemClock));
//! for case in contract::cases(&table) {
//!     println!("{}: {} answers {}", case.name(), case.params, case.expected);
//! }
//! ```

mod pattern;
mod sample;

use serde_json::{Value, json};

use crate::{Code, Operation, Scope, Scopes, Table};

/// One call and what it must answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The operation to call.
    pub operation: String,
    /// Which promise it tests.
    pub kind: Kind,
    /// What the credential to call with may do.
    pub scopes: Scopes,
    /// The parameters to send.
    pub params: Value,
    /// The code of the error that must come.
    pub expected: Code,
    /// The field that the error must name.
    pub field: Option<String>,
}

/// The promises.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Parameters that are not in the schema are refused by name.
    UnknownParameter,
    /// A value of the wrong JSON type is refused by name; this is the parameter.
    WrongType(String),
    /// Whoever holds every scope but those that suffice is refused.
    MissingScope,
    /// The id of another organisation's thing answers byte for byte like the unknown one in `params`: send both
    /// ([`Case::with_id`]) and compare. This is the parameter.
    ForeignOrganisation(String),
}

impl Case {
    /// A name for the test's output.
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::UnknownParameter => format!("{} unknown parameter", self.operation),
            Kind::WrongType(parameter) => format!("{} wrong type of {parameter}", self.operation),
            Kind::MissingScope => format!("{} missing scope", self.operation),
            Kind::ForeignOrganisation(parameter) => format!("{} foreign {parameter}", self.operation),
        }
    }

    /// The parameters with another id, if this is a case of [`Kind::ForeignOrganisation`].
    pub fn with_id(&self, id: &str) -> Option<Value> {
        let Kind::ForeignOrganisation(parameter) = &self.kind else { return None };
        Some(with(self.params.clone(), parameter, id.into()))
    }
}

/// The cases of every operation, in the order of their names.
pub fn cases(table: &Table) -> Vec<Case> {
    table.iter().flat_map(|operation| cases_of(&Subject::of(operation))).collect()
}

/// The cases of one operation from what `rpc.describe` answered, for tests that have only a socket; `None` if that is
/// no description.
pub fn described(description: &Value) -> Option<Vec<Case>> {
    let subject = Subject {
        name: description.get("name")?.as_str()?,
        scope: description.get("scope")?.as_str()?.parse().ok()?,
        is_creating: description.get("creates")?.as_bool()?,
        is_open: description.get("open").and_then(Value::as_bool).unwrap_or_default(),
        parameters: description.get("parameters")?,
    };
    Some(cases_of(&subject))
}

/// Parameters that fit the operation's schema: its required ones, with the first or smallest value each allows.
/// They parse; whether they make sense (an id that exists) is another matter.
pub fn sample_params(operation: &Operation) -> Value {
    sample::of(operation.parameters().as_value())
}

/// What the cases of an operation are made from.
struct Subject<'a> {
    name: &'a str,
    scope: Scope,
    is_creating: bool,
    /// Whoever calls, it is not refused for its scopes.
    is_open: bool,
    parameters: &'a Value,
}

impl<'a> Subject<'a> {
    fn of(operation: &'a Operation) -> Self {
        Self {
            name: operation.name(),
            scope: operation.scope(),
            is_creating: operation.is_creating(),
            is_open: operation.is_open(),
            parameters: operation.parameters().as_value(),
        }
    }

    /// The parameter that names the thing the operation is about. Creating operations are left out: there an id is new.
    fn required_id(&self) -> Option<String> {
        let (noun, _) = self.name.split_once('.')?;
        let parameter = format!("{noun}Id");
        let required = self.parameters.get("required")?.as_array()?;
        (required.contains(&json!(parameter)) && !self.is_creating).then_some(parameter)
    }
}

fn cases_of(subject: &Subject<'_>) -> Vec<Case> {
    let valid = sample::of(subject.parameters);
    let case = |kind, params: Value, expected, field: Option<&str>| Case {
        operation: subject.name.to_owned(),
        kind,
        scopes: subject.scope.into(),
        params,
        expected,
        field: field.map(str::to_owned),
    };

    let unknown = with(valid.clone(), UNKNOWN, true.into());
    let mut cases = vec![case(Kind::UnknownParameter, unknown, Code::InvalidParams, Some(UNKNOWN))];
    if !subject.is_open {
        let scopes = Scope::ALL.into_iter().filter(|&scope| !Scopes::from(scope).allows(subject.scope)).collect();
        cases.push(Case { scopes, ..case(Kind::MissingScope, valid.clone(), Code::Forbidden, None) });
    }
    let properties = subject.parameters.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let Some(wrong) = sample::wrong(schema, subject.parameters) else { continue };
        let params = with(valid.clone(), name, wrong);
        cases.push(case(Kind::WrongType(name.clone()), params, Code::InvalidParams, Some(name)));
    }
    if let Some(parameter) = subject.required_id() {
        cases.push(case(Kind::ForeignOrganisation(parameter), valid, Code::NotFound, None));
    }
    cases
}

/// No operation has a parameter of this name.
const UNKNOWN: &str = "thisParameterDoesNotExist";

fn with(mut params: Value, name: &str, value: Value) -> Value {
    if let Value::Object(members) = &mut params {
        members.insert(name.to_owned(), value);
    }
    params
}

#[cfg(test)]
mod tests;

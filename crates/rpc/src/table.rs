use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::Operation;

/// The operations of a daemon, by name. Domain crates make small ones, the daemon merges them.
///
/// Mistakes are collected, not thrown: [`Table::check`] and [`Dispatcher::new`](crate::Dispatcher::new) report them all.
#[derive(Debug, Clone, Default)]
pub struct Table {
    operations: BTreeMap<String, Operation>,
    faults: Vec<Fault>,
    discoverable: bool,
}

/// A mistake in a table: a defect of the program, found when it starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two operations have one name; the first stays.
    #[error("operation `{0}` is declared twice")]
    Duplicate(String),
    /// It would answer but not be listed; add it before [`Table::with_discovery`].
    #[error("operation `{0}` is added after discovery and would not be listed")]
    AfterDiscovery(String),
    /// Names are dotted segments of ASCII letters and digits that begin with a lower-case letter.
    #[error("`{0}` is not an operation name")]
    Name(String),
    /// Two operations have the same method and path under REST.
    #[error("operations `{first}` and `{second}` are both {route}")]
    Route {
        /// The one that comes first by name.
        first: String,
        /// The other.
        second: String,
        /// Method and path.
        route: String,
    },
    /// A creating operation's parameters need `idempotencyKey`.
    #[error("operation `{0}` creates something but has no parameter `idempotencyKey`")]
    NoIdempotencyKey(String),
    /// The parameter type lacks `deny_unknown_fields`.
    #[error("operation `{0}` takes unknown parameters")]
    UnknownParameters(String),
}

/// All mistakes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTable(
    /// At least one.
    pub Vec<Fault>,
);

impl fmt::Display for InvalidTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid operation table")?;
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidTable {}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation.
    #[must_use]
    pub fn with(mut self, operation: Operation) -> Self {
        self.add(operation);
        self
    }

    /// Adds the operations of another table.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.faults.extend(other.faults);
        for operation in other.operations.into_values() {
            self.add(operation);
        }
        self
    }

    /// The operation of this name.
    pub fn get(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// The operations in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Looks for mistakes.
    ///
    /// # Errors
    /// All that were found; they are the programmer's to fix.
    pub fn check(&self) -> Result<(), InvalidTable> {
        let mut faults = self.faults.clone();
        let mut routes: HashMap<String, &str> = HashMap::new();
        for operation in self.iter() {
            faults.extend(faults_of(operation));
            let Some(rest) = operation.rest() else { continue };
            let route = format!("{} {}", rest.method, rest.path);
            if let Some(first) = routes.insert(route.clone(), operation.name()) {
                faults.push(Fault::Route { first: first.to_owned(), second: operation.name().to_owned(), route });
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(InvalidTable(faults)) }
    }

    /// Puts another operation of the same name in the place of each.
    pub(crate) fn with_each(&self, replace: impl Fn(&Operation) -> Operation) -> Self {
        let mut table = self.clone();
        table.operations.values_mut().for_each(|operation| *operation = replace(operation));
        table
    }

    /// From here on, additions are faults.
    pub(crate) fn close(mut self) -> Self {
        self.discoverable = true;
        self
    }

    fn add(&mut self, operation: Operation) {
        let name = operation.name().to_owned();
        if self.discoverable {
            return self.faults.push(Fault::AfterDiscovery(name));
        }
        match self.operations.entry(name) {
            Entry::Vacant(place) => {
                place.insert(operation);
            }
            Entry::Occupied(taken) => self.faults.push(Fault::Duplicate(taken.key().clone())),
        }
    }
}

impl FromIterator<Operation> for Table {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        operations.into_iter().fold(Self::new(), Self::with)
    }
}

fn faults_of(operation: &Operation) -> Vec<Fault> {
    let name = || operation.name().to_owned();
    let mut faults = Vec::new();
    if !is_name(operation.name()) {
        faults.push(Fault::Name(name()));
    }
    let keyed = operation.properties().is_some_and(|known| known.contains_key("idempotencyKey"));
    if operation.is_creating() && !keyed {
        faults.push(Fault::NoIdempotencyKey(name()));
    }
    // A parameter type that is an enum has its properties in branches; those the contract cases look at.
    let schema = operation.parameters();
    let plain = schema.get("type").is_some_and(|kind| kind == "object") && schema.get("oneOf").is_none();
    let strict = schema.get("additionalProperties").is_some_and(|allowed| allowed == false);
    if plain && !strict {
        faults.push(Fault::UnknownParameters(name()));
    }
    faults
}

fn is_name(name: &str) -> bool {
    name.split('.').all(|segment| {
        segment.starts_with(|c: char| c.is_ascii_lowercase()) && segment.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

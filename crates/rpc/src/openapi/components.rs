use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

const LOCAL: &str = "#/$defs/";
const SHARED: &str = "#/components/schemas/";

/// Collects the types that self-contained schemas bring along, each once.
#[derive(Default)]
pub(super) struct Components {
    schemas: BTreeMap<String, Value>,
    /// The name that a type got, by its own name and everything it is made of.
    names: BTreeMap<(String, String), String>,
}

impl Components {
    /// The schema with its `$defs` moved to the components. `suffix` tells types apart that have one name and are
    /// written differently as parameters and as results.
    pub(super) fn hoist(&mut self, root: &Value, suffix: &str) -> Value {
        let Some(Parts { root, name, mut definitions }) = Parts::of(root) else { return root.clone() };
        if refers_to(&root, &name) {
            definitions.insert(name, root.clone());
        }
        let names = self.named(&definitions, suffix);
        rewritten(&root, &names)
    }

    /// As [`hoist`](Self::hoist), and the schema itself becomes a component too: under the name of its type or, if that
    /// is another type's already, under `name_else`.
    pub(super) fn shared(&mut self, root: &Value, name_else: &str) -> Value {
        let Some(Parts { root, name, mut definitions }) = Parts::of(root) else { return root.clone() };
        definitions.insert(name.clone(), root);
        let key = (name.clone(), closure(&definitions, &name));
        if self.schemas.contains_key(&name) && !self.names.contains_key(&key) {
            let free = self.free_name(name_else, "");
            self.schemas.insert(free.clone(), Value::Null);
            self.names.insert(key, free.clone());
            let names = self.named(&definitions, "");
            self.schemas.insert(free.clone(), rewritten(&definitions[&name], &names));
            return reference(&free);
        }
        let names = self.named(&definitions, "");
        reference(&names[&name])
    }

    /// Puts a schema that is finished under a name of its own.
    pub(super) fn insert(&mut self, name: &str, schema: Value) -> Value {
        let free = self.free_name(name, "");
        self.schemas.insert(free.clone(), schema);
        reference(&free)
    }

    pub(super) fn into_schemas(self) -> BTreeMap<String, Value> {
        self.schemas
    }

    fn named(&mut self, definitions: &Map<String, Value>, suffix: &str) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        let mut fresh = Vec::new();
        for local in definitions.keys() {
            let key = (local.clone(), closure(definitions, local));
            let name = match self.names.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let free = self.free_name(local, suffix);
                    // Takes the name until its content is written, which needs the names of the others.
                    self.schemas.insert(free.clone(), Value::Null);
                    self.names.insert(key, free.clone());
                    fresh.push(local);
                    free
                }
            };
            names.insert(local.clone(), name);
        }
        for local in fresh {
            self.schemas.insert(names[local].clone(), rewritten(&definitions[local], &names));
        }
        names
    }

    fn free_name(&self, wanted: &str, suffix: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}{suffix}{number}"));
        let candidates = [wanted.to_owned(), format!("{wanted}{suffix}")].into_iter().chain(numbered);
        candidates.into_iter().find(|name| !self.schemas.contains_key(name)).expect("numbers do not end")
    }
}

/// A self-contained schema, taken apart.
struct Parts {
    root: Value,
    /// Of the root's type; no definition has it.
    name: String,
    definitions: Map<String, Value>,
}

impl Parts {
    fn of(schema: &Value) -> Option<Self> {
        let mut root = schema.as_object()?.clone();
        root.remove("$schema");
        let definitions = match root.remove("$defs") {
            Some(Value::Object(definitions)) => definitions,
            _ => Map::new(),
        };
        let title = root.remove("title").and_then(|title| title.as_str().map(str::to_owned))?;
        let name = if definitions.contains_key(&title) { format!("{title}Root") } else { title };
        // A type that contains itself refers to its root, which is no root of anything here.
        let own = format!("{LOCAL}{name}");
        let named = |schema: &Value| rooted(schema, &own);
        let definitions = definitions.iter().map(|(name, schema)| (name.clone(), named(schema))).collect();
        Some(Self { root: named(&Value::Object(root)), name, definitions })
    }
}

fn refers_to(schema: &Value, name: &str) -> bool {
    let mut found = false;
    each_reference(schema, &mut |target| found |= target.strip_prefix(LOCAL) == Some(name));
    found
}

/// With `root` in the place of `#`.
fn rooted(schema: &Value, root: &str) -> Value {
    with_references(schema, &|target| (target == "#").then(|| root.to_owned()))
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{SHARED}{name}") })
}

/// Everything a definition is made of, as text: two of one name and one closure are the same type.
fn closure(definitions: &Map<String, Value>, name: &str) -> String {
    let (mut reached, mut open) = (BTreeSet::new(), vec![name]);
    while let Some(next) = open.pop() {
        if let Some((name, definition)) = definitions.get_key_value(next)
            && reached.insert(name.as_str())
        {
            each_reference(definition, &mut |target| open.extend(target.strip_prefix(LOCAL)));
        }
    }
    reached.into_iter().map(|name| format!("{name}={}\n", definitions[name])).collect()
}

fn each_reference<'a>(schema: &'a Value, found: &mut impl FnMut(&'a str)) {
    match schema {
        Value::Object(members) => {
            if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                found(target);
            }
            members.values().for_each(|member| each_reference(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| each_reference(item, found)),
        _ => {}
    }
}

fn rewritten(schema: &Value, names: &BTreeMap<String, String>) -> Value {
    with_references(schema, &|target| {
        let name = names.get(target.strip_prefix(LOCAL)?)?;
        Some(format!("{SHARED}{name}"))
    })
}

fn with_references(schema: &Value, changed: &impl Fn(&str) -> Option<String>) -> Value {
    match schema {
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                let target = value.as_str().filter(|_| key == "$ref").and_then(changed);
                (key.clone(), target.map_or_else(|| with_references(value, changed), Value::String))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => items.iter().map(|item| with_references(item, changed)).collect(),
        other => other.clone(),
    }
}

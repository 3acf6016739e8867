use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use orchestrator_rpc::page::{Cursor, ListParams, Page};
use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use orchestrator_vocab::OrgId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Action, Charter, CharterId, Charters, Facts, Fault, Fit, Opinion};

/// Tells what is known of a call: the name of a tool and its arguments.
pub type Observe = Arc<dyn Fn(&str, &Map<String, Value>) -> Action + Send + Sync>;

/// The file of a document that is only looked at.
const UNNAMED: &str = "document";
/// The longest document, in characters.
const DOCUMENT_CHARS_MAX: usize = 1_048_576;

/// The operations `charter.list`, `charter.get`, `charter.validate` and `charter.explain`. Charters belong to the operator's
/// organisation; for others there are none.
pub fn operations(charters: &Charters, observe: Observe) -> Table {
    let desk = Desk { charters: charters.clone(), observe };
    let list = operation(&desk, "charter.list", Scope::Read, "Lists charters, also those that do not load", list);
    let get = operation(&desk, "charter.get", Scope::Read, "Shows a charter, and what of it is not enforced", get);
    let check = operation(&desk, "charter.validate", Scope::Read, "Tells what is wrong with a document", validate);
    let explain = operation(
        &desk,
        "charter.explain",
        Scope::Read,
        "Tells what a charter says of a call, by which line of which file",
        explain,
    );
    Table::new()
        .with(list.read_only())
        .with(get.read_only().fails_with([Code::NotFound, Code::Conflict]))
        .with(check.read_only())
        .with(explain.read_only().fails_with([Code::NotFound, Code::Conflict]))
}

#[derive(Clone)]
struct Desk {
    charters: Charters,
    observe: Observe,
}

fn operation<P, R, F>(
    desk: &Desk,
    name: &'static str,
    scope: Scope,
    summary: &'static str,
    handler: impl Fn(Desk, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let desk = desk.clone();
    Operation::new(name, scope, summary, move |call, params| handler(desk.clone(), call, params))
}

impl Desk {
    /// The charter of this name, for whom there are any.
    fn charter(&self, call: &Call, id: &CharterId) -> Result<Arc<Charter>, Refusal> {
        let unknown = || Refusal::not_found(format!("no charter `{id}`"));
        if call.org() != OrgId::LOCAL {
            return Err(unknown());
        }
        self.charters.get(id.as_str()).map_err(|missing| match missing {
            crate::Missing::NoFile(_) => unknown(),
            crate::Missing::Broken(..) => Refusal::conflict(missing.to_string()),
        })
    }
}

/// A charter in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: CharterId,
    /// `ready`, or `broken`: agents under it get no tasks then.
    status: &'static str,
    /// What is wrong, if it is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<u8>,
    /// Those it extends, its parent first.
    extends: Vec<CharterId>,
    /// Its file.
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl Listed {
    fn ready(charter: &Charter) -> Self {
        Self {
            id: charter.id.clone(),
            status: "ready",
            error: None,
            name: Some(charter.name.clone()),
            role: charter.role.clone(),
            tier: charter.tier,
            extends: charter.extends.clone(),
            source: charter.source.clone(),
            digest: Some(charter.digest.clone()),
        }
    }

    fn broken(id: CharterId, fault: &Fault) -> Self {
        let (extends, source) = (Vec::new(), fault.file.clone());
        let error = Some(fault.clone());
        Self { id, status: "broken", error, name: None, role: None, tier: None, extends, source, digest: None }
    }
}

async fn list(desk: Desk, call: Call, params: ListParams) -> Result<Page<Listed>, Refusal> {
    let after = params.cursor.map(|cursor| cursor.read::<CharterId>()).transpose()?;
    if call.org() != OrgId::LOCAL {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    }
    let catalogue = desk.charters.catalogue();
    let ready = catalogue.charters.values().map(|charter| (charter.id.clone(), Listed::ready(charter)));
    let mut all: BTreeMap<CharterId, Listed> = ready.collect();
    for fault in &catalogue.faults {
        if let Some(id) = &fault.charter {
            all.entry(id.clone()).or_insert_with(|| Listed::broken(id.clone(), fault));
        }
    }
    let limit = params.limit.get();
    let later = all.into_values().filter(|one| after.as_ref().is_none_or(|after| one.id > *after));
    let mut items: Vec<Listed> = later.take(limit + 1).collect();
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|one| Cursor::of(&one.id));
    Ok(Page { items, next_cursor })
}

/// The parameters of `charter.get`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetParams {
    /// Its id: the stem of its file.
    charter_id: CharterId,
}

/// A charter, and what of it does nothing.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    charter: Arc<Charter>,
    /// Keys that are set and that nothing sees to yet.
    not_enforced: Vec<&'static str>,
    /// What else is worth knowing: lines that do nothing.
    notes: Vec<Fault>,
}

async fn get(desk: Desk, call: Call, params: GetParams) -> Result<Shown, Refusal> {
    let charter = desk.charter(&call, &params.charter_id)?;
    let of_it = |note: &&Fault| note.charter.as_ref() == Some(&charter.id);
    let notes = desk.charters.catalogue().notes.iter().filter(of_it).cloned().collect();
    Ok(Shown { not_enforced: charter.not_enforced(desk.charters.enforced()), charter, notes })
}

/// The parameters of `charter.validate`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValidateParams {
    /// The YAML. What it extends is looked for among the charters of the daemon.
    #[schemars(length(max = 1_048_576))]
    document: String,
    /// The id it would have; `document` if there is none.
    #[serde(default)]
    name: Option<CharterId>,
}

/// What is wrong with a document, or what it amounts to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Validated {
    /// Whether it would load.
    valid: bool,
    /// What is wrong first.
    errors: Vec<Fault>,
    /// What does nothing, or not what one would think.
    notes: Vec<Fault>,
    /// With what it takes over, if it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    charter: Option<Charter>,
}

async fn validate(desk: Desk, call: Call, params: ValidateParams) -> Result<Validated, Refusal> {
    if params.document.chars().count() > DOCUMENT_CHARS_MAX {
        return Err(Refusal::invalid_field("document", format!("expected at most {DOCUMENT_CHARS_MAX} characters")));
    }
    let id = params.name.unwrap_or_else(|| UNNAMED.parse().expect("it is a name"));
    let file = format!("{id}.yaml");
    // Others extend nothing: they have no charters.
    let checked = match call.org() == OrgId::LOCAL {
        true => desk.charters.check(&id, &file, &params.document),
        false => desk.charters.check_alone(&id, &file, &params.document),
    };
    Ok(match checked {
        Ok((charter, notes)) => Validated { valid: true, errors: Vec::new(), notes, charter: Some(charter) },
        Err(fault) => Validated { valid: false, errors: vec![fault], notes: Vec::new(), charter: None },
    })
}

/// The parameters of `charter.explain`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExplainParams {
    /// The id of the charter.
    charter: CharterId,
    /// The tool or operation that would be called, such as `fs.remove`.
    #[schemars(length(max = 128))]
    action: String,
    /// With which arguments.
    #[serde(default)]
    arguments: Map<String, Value>,
    /// As if somebody nobody vouches for had a say in it. Default `false`.
    #[serde(default)]
    untrusted: bool,
    /// As if whoever wants it had read something secret. Default `false`.
    #[serde(default)]
    secret: bool,
}

/// What a charter says of a call.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Explained {
    #[serde(flatten)]
    opinion: Opinion,
    /// The business actions that it is (`yes`), or may be (`maybe`).
    meanings: BTreeMap<String, Fit>,
    /// What is known of it.
    facts: Facts,
}

async fn explain(desk: Desk, call: Call, params: ExplainParams) -> Result<Explained, Refusal> {
    let charter = desk.charter(&call, &params.charter)?;
    if !(1..=128).contains(&params.action.len()) {
        return Err(Refusal::invalid_field("action", "expected 1 to 128 characters"));
    }
    let mut action = (desk.observe)(&params.action, &params.arguments);
    action.facts.untrusted |= params.untrusted;
    action.facts.secret |= params.secret;
    let meanings = charter.meanings(&action).into_iter().map(|(name, fit)| (name.to_owned(), fit)).collect();
    Ok(Explained { opinion: charter.opinion(&action), meanings, facts: action.facts })
}

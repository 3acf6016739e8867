use orchestrator_transcript::ToolPattern;

use super::{Documents, Terms};
use crate::document::{Item, Said};
use crate::fault::{Place, Wrong};
use crate::limits::least;
use crate::{
    Actions, Charter, CharterId, Constraint, Entry, Escalation, Fault, Identity, Line, ResourceLimits,
    SafetyHeuristics, Settings,
};

/// The longest line of parents.
const PARENTS_MAX: usize = 16;

/// A file of the line, from itself to its farthest parent.
struct Step<'a> {
    id: &'a CharterId,
    file: &'a str,
    said: &'a Said,
}

/// What a file is once its parents are known, and what is worth telling of it.
///
/// # Errors
/// What is wrong with its parents, or with the whole.
pub(super) fn resolve(id: &CharterId, documents: &Documents, terms: &Terms) -> Result<(Charter, Vec<Fault>), Fault> {
    let (file, said) = &documents.files[id];
    known(said, &terms.actions).map_err(|wrong| wrong.in_file(file, id))?;
    let line = line(id, documents).and_then(|line| with_parents_that_can_be(line, said, &terms.actions));
    let line = line.map_err(|wrong| wrong.in_file(file, id))?;
    let mut notes = Vec::new();
    let mut note = |at: Option<Place>, problem: String| notes.push(Wrong { at, problem }.in_file(file, id));
    // From the farthest parent to the file itself.
    let mut lists = SafetyHeuristics::default();
    let mut limits = ResourceLimits::default();
    for (place, step) in line.iter().rev().enumerate() {
        let (is_own, is_first) = (place + 1 == line.len(), place == 0);
        if is_own && !is_first {
            let wider = wider(&step.said.limits, &limits);
            wider.into_iter().for_each(|problem| note(None, problem));
        }
        limits = limits.and(&step.said.limits);
        let dropped = lists.narrow(step, is_first);
        for item in dropped.into_iter().filter(|_| is_own) {
            let problem = format!("autoApprove: `{}` does nothing: a parent does not approve it", item.value);
            note(Some(item.at), problem);
        }
    }
    let hard_constraints = constraints(&line, &terms.actions);
    lists.always_reject.extend(hard_constraints.iter().filter(|constraint| constraint.enforced).map(enforced));
    let charter = Charter {
        resource_limits: limits,
        safety_heuristics: lists,
        hard_constraints,
        extends: line.iter().skip(1).map(|step| step.id.clone()).collect(),
        source: file.clone(),
        actions: terms.actions.clone(),
        ..scalars(id, &line)
    }
    .sealed();
    for key in charter.not_enforced(terms.enforced) {
        note(None, format!("{key}: kept, not enforced yet"));
    }
    Ok((charter, notes))
}

/// The file and its parents, the nearest first.
fn line<'a>(id: &'a CharterId, documents: &'a Documents) -> Result<Vec<Step<'a>>, Wrong> {
    let files = &documents.files;
    let step = |id: &'a CharterId, (file, said): &'a (String, Said)| Step { id, file, said };
    let mut line = vec![step(id, &files[id])];
    // Told where the file itself names its parent.
    let at = files[id].1.extends.as_ref().and_then(|(_, at)| *at);
    let wrong = |problem: String| Err(Wrong { at, problem });
    while let Some((parent, _)) = line.last().and_then(|step| step.said.extends.as_ref()) {
        if line.iter().any(|step| step.id == parent) {
            let names: Vec<&str> = line.iter().map(|step| step.id.as_str()).chain([parent.as_str()]).collect();
            return wrong(format!("extends: goes round in a circle: {}", names.join(" -> ")));
        }
        if line.len() > PARENTS_MAX {
            return wrong(format!("extends: more than {PARENTS_MAX} parents"));
        }
        match files.get_key_value(parent) {
            Some((parent, file)) => line.push(step(parent, file)),
            None if documents.broken.contains(parent) => {
                return wrong(format!("extends: the file of `{parent}` has an error"));
            }
            None => return wrong(format!("extends: no file defines `{parent}`")),
        }
    }
    Ok(line)
}

fn with_parents_that_can_be<'a>(line: Vec<Step<'a>>, said: &Said, actions: &Actions) -> Result<Vec<Step<'a>>, Wrong> {
    match line.iter().skip(1).find(|step| known(step.said, actions).is_err()) {
        Some(Step { id, .. }) => {
            let at = said.extends.as_ref().and_then(|(_, at)| *at);
            Err(Wrong { at, problem: format!("extends: the file of `{id}` has an error") })
        }
        None => Ok(line),
    }
}

/// Names without dots are business actions, and those are known: a misspelt line would never count.
fn known(said: &Said, actions: &Actions) -> Result<(), Wrong> {
    let lists = &said.heuristics;
    let auto = lists.auto_approve.iter().flatten();
    let asked = lists.escalate.iter().map(|asked| &asked.action);
    let mut all = auto.chain(&lists.require_confirmation).chain(&lists.always_reject).chain(asked);
    match all.find(|item| !is_action(&item.value, actions)) {
        Some(Item { value, at }) => {
            let names: Vec<&str> = actions.names().collect();
            let problem = format!(
                "`{value}` is no action: tools have a dot in their names, and the business actions are {} \
                 (`charters.actions` adds to them)",
                names.join(", ")
            );
            Err(Wrong { at: Some(*at), problem })
        }
        None => Ok(()),
    }
}

fn is_action(entry: &ToolPattern, actions: &Actions) -> bool {
    let text = entry.as_str();
    text == "*" || text.contains('.') || actions.knows(text)
}

impl Step<'_> {
    fn at(&self, list: &'static str, text: &str, (line, column): Place) -> Line {
        let (charter, file) = (self.id.clone(), self.file.to_owned());
        Line { text: text.to_owned(), list, charter, file, line, column }
    }

    fn entries(&self, list: &'static str, items: &[Item<ToolPattern>]) -> impl Iterator<Item = Entry> {
        items
            .iter()
            .map(move |Item { value, at }| Entry { action: value.clone(), at: self.at(list, value.as_str(), *at) })
    }
}

impl SafetyHeuristics {
    /// With what one more file says: less is approved, more is confirmed and rejected. Answers what it would approve and its
    /// parents do not.
    fn narrow(&mut self, step: &Step<'_>, is_first: bool) -> Vec<Item<ToolPattern>> {
        let said = &step.said.heuristics;
        let mut dropped = Vec::new();
        if let Some(items) = &said.auto_approve {
            let own: Vec<Entry> = step.entries("autoApprove", items).collect();
            let approved = std::mem::take(&mut self.auto_approve);
            let both =
                |mine: &Entry| -> Vec<Entry> { approved.iter().filter_map(|theirs| both(mine, theirs)).collect() };
            let narrowed: Vec<Vec<Entry>> = own.iter().map(both).collect();
            let is_dropped = |(_, left): &(&Item<ToolPattern>, &Vec<Entry>)| !is_first && left.is_empty();
            dropped = items.iter().zip(&narrowed).filter(is_dropped).map(|(item, _)| item.clone()).collect();
            self.auto_approve = if is_first { own } else { narrowed.into_iter().flatten().collect() };
        }
        self.require_confirmation.extend(step.entries("requireConfirmation", &said.require_confirmation));
        self.always_reject.extend(step.entries("alwaysReject", &said.always_reject));
        self.escalate.extend(said.escalate.iter().map(|asked| Escalation {
            timeout_ms: asked.timeout_ms,
            to: asked.to.clone(),
            action: asked.action.value.clone(),
            at: step.at("escalate", asked.action.value.as_str(), asked.action.at),
        }));
        dropped
    }
}

/// What both mean, where it is written.
fn both(mine: &Entry, theirs: &Entry) -> Option<Entry> {
    let narrower = mine.action.and(&theirs.action)?;
    Some(if *narrower == mine.action { mine.clone() } else { theirs.clone() })
}

/// What is said to be more than the parents allow.
fn wider(own: &ResourceLimits, parents: &ResourceLimits) -> Vec<String> {
    let theirs: Vec<(&str, f64)> = parents.given().collect();
    let more = own.given().filter_map(|(key, value)| {
        let (_, most) = theirs.iter().find(|(other, most)| *other == key && *most < value)?;
        Some(format!("{key}: {value} does nothing: a parent allows {most}"))
    });
    more.collect()
}

fn constraints(line: &[Step<'_>], actions: &Actions) -> Vec<Constraint> {
    let of = |step: &Step<'_>| -> Vec<Constraint> {
        let items = step.said.constraints.iter().map(|item| Constraint {
            text: item.value.clone(),
            enforced: item.value.parse().is_ok_and(|entry| is_action(&entry, actions)),
            at: step.at("hardConstraints", &item.value, item.at),
        });
        items.collect()
    };
    line.iter().rev().flat_map(of).collect()
}

fn enforced(constraint: &Constraint) -> Entry {
    let action = constraint.text.parse().expect("only what is an action is enforced");
    Entry { action, at: constraint.at.clone() }
}

/// What the nearest that says it says; lists add up.
fn scalars(id: &CharterId, line: &[Step<'_>]) -> Charter {
    fn nearest<T>(line: &[Step<'_>], of: impl Fn(&Said) -> Option<T>) -> Option<T> {
        line.iter().find_map(|step| of(step.said))
    }
    let all = |of: fn(&Said) -> &Vec<String>| -> Vec<String> {
        let mut texts = Vec::new();
        for text in line.iter().rev().flat_map(|step| of(step.said)) {
            if !texts.contains(text) {
                texts.push(text.clone());
            }
        }
        texts
    };
    let settings = |step: &Step<'_>| step.said.settings.clone();
    Charter {
        id: id.clone(),
        // A name is one's own.
        name: line[0].said.name.clone().unwrap_or_else(|| id.to_string()),
        role: nearest(line, |said| said.role.clone()),
        tier: nearest(line, |said| said.tier),
        identity: Identity {
            name: nearest(line, |said| said.identity.name.clone()),
            description: nearest(line, |said| said.identity.description.clone()),
            personality: nearest(line, |said| said.identity.personality.clone()),
        },
        capabilities: all(|said| &said.capabilities),
        responsibilities: all(|said| &said.responsibilities),
        objectives: all(|said| &said.objectives),
        operational_settings: Settings {
            default_model: nearest(line, |said| said.settings.default_model.clone()),
            temperature: nearest(line, |said| said.settings.temperature),
            max_retries: line.iter().map(settings).fold(None, |most, settings| least(most, settings.max_retries)),
            timeout_ms: line.iter().map(settings).fold(None, |most, settings| least(most, settings.timeout_ms)),
        },
        resource_limits: ResourceLimits::default(),
        safety_heuristics: SafetyHeuristics::default(),
        hard_constraints: Vec::new(),
        extends: Vec::new(),
        source: String::new(),
        digest: String::new(),
        actions: std::sync::Arc::default(),
    }
}

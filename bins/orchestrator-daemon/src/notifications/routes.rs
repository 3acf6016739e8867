//! Which events go where. Pure.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator_events::{Event, Filter, InvalidFilter};
use orchestrator_notify::Severity;
use orchestrator_vocab::OrgId;

use super::wording;
use crate::config::Route;

/// The operator's routes.
pub(super) struct Routes(Vec<Parsed>);

struct Parsed {
    filter: Filter,
    severity: Option<Severity>,
    organisations: Option<BTreeSet<OrgId>>,
    to: Vec<String>,
}

impl Routes {
    pub(super) fn new(routes: &[Route]) -> Result<Self, InvalidFilter> {
        let parsed = routes.iter().map(|route| {
            Ok(Parsed {
                filter: Filter::parse(&route.events)?,
                severity: route.severity,
                organisations: route.organisations.clone(),
                to: route.to.clone(),
            })
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// Those that any event may go to, in the order of their names.
    pub(super) fn destinations(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> = self.0.iter().flat_map(|route| &route.to).map(String::as_str).collect();
        names.into_iter()
    }

    /// Who is told of an event, and how bad it is to them: of several routes to one, the worst.
    pub(super) fn of(&self, event: &Event) -> BTreeMap<&str, Severity> {
        let mut found = BTreeMap::new();
        for route in self.0.iter().filter(|route| route.wants(event)) {
            let severity = route.severity.unwrap_or_else(|| wording::severity(&event.name));
            for name in &route.to {
                let worst = found.entry(name.as_str()).or_insert(severity);
                *worst = severity.max(*worst);
            }
        }
        found
    }
}

impl Parsed {
    fn wants(&self, event: &Event) -> bool {
        self.organisations.as_ref().is_none_or(|orgs| orgs.contains(&event.org))
            && self.filter.matches(&event.name, &event.payload)
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::{Actor, EventId, Timestamp};
    use serde_json::json;

    use super::*;

    fn event(name: &'static str, org: OrgId) -> Event {
        Event {
            id: EventId::new(),
            seq: 1,
            org,
            name: name.into(),
            time: Timestamp(0),
            actor: Actor::system("test"),
            subject: None,
            correlation: None,
            causation: None,
            payload: json!({}),
        }
    }

    #[test]
    fn an_event_goes_where_a_route_leads_and_nowhere_else() {
        let routes: Vec<Route> = serde_json::from_value(json!([
            { "events": ["budget.*"], "to": ["a", "b"] },
            { "events": ["budget.exhausted", "task.failed"], "severity": "info", "to": ["b"] },
            { "events": ["task.*"], "organisations": [OrgId::LOCAL], "to": ["c"] },
        ]))
        .unwrap();
        let routes = Routes::new(&routes).unwrap();
        assert_eq!(routes.destinations().collect::<Vec<_>>(), ["a", "b", "c"]);
        let check = |name, org, expected: &[(&str, Severity)]| {
            let event = event(name, org);
            assert_eq!(routes.of(&event).into_iter().collect::<Vec<_>>(), expected, "{name}");
        };
        let (here, other) = (OrgId::LOCAL, OrgId::new());
        check("budget.alert", other, &[("a", Severity::Warning), ("b", Severity::Warning)]);
        check("budget.exhausted", here, &[("a", Severity::Critical), ("b", Severity::Critical)]);
        check("task.failed", here, &[("b", Severity::Info), ("c", Severity::Warning)]);
        check("task.failed", other, &[("b", Severity::Info)]);
        check("session.created", here, &[]);
    }
}

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use orchestrator_process::Environment;
use serde::{Deserialize, Serialize};

use crate::{Confinement, Error};

/// The variable with the plan.
const PLAN: &str = "ORCHESTRATOR_CONFINE_PLAN";
/// Before the names of the program's own variables. The launcher must not have them itself: `LD_PRELOAD` would run in it, unconfined.
const PREFIX: &str = "ORCHESTRATOR_CONFINED_";
/// What a tree of processes is found by (see `orchestrator_process`). Set by whoever starts the launcher, and handed on.
const MARKERS: [&str; 2] = ["ORCHESTRATOR_PROCESS_TREE", "ORCHESTRATOR_PROCESS_OWNER"];

/// What the launcher is told. It travels in the environment, which only the same user can read, and not in the arguments, which
/// anybody can; the program sees neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) confinement: Confinement,
    /// Whether the program must not run with less.
    pub(crate) required: bool,
    /// Where the launcher hands over what listens on the program's own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handover: Option<Handover>,
}

/// Where something is handed over, and by what whoever does it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Handover {
    pub(crate) directory: PathBuf,
    /// Of the socket in it.
    pub(crate) name: OsString,
    pub(crate) token: String,
}

impl Plan {
    /// The launcher's environment, for a program with this one.
    pub(crate) fn wrap(&self, environment: &Environment) -> Result<Environment, serde_json::Error> {
        let mut wrapped = Environment::empty().set(PLAN, serde_json::to_string(self)?);
        for (name, value) in environment.iter() {
            let mut prefixed = OsString::from(PREFIX);
            prefixed.push(name);
            wrapped = wrapped.set(prefixed, value);
        }
        Ok(wrapped)
    }

    /// The plan in the launcher's environment, and the program's variables.
    pub(crate) fn unwrap(
        given: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<(OsString, OsString)>), Error> {
        let (mut plan, mut own, mut markers) = (None, Vec::new(), Vec::new());
        for (name, value) in given {
            if name == PLAN {
                plan = Some(value);
            } else if MARKERS.iter().any(|marker| name == *marker) {
                markers.push((name, value));
            } else if let Some(rest) = name.as_bytes().strip_prefix(PREFIX.as_bytes())
                && !MARKERS.iter().any(|marker| OsStr::new(marker).as_bytes() == rest)
            {
                own.push((OsString::from_vec(rest.to_vec()), value));
            }
        }
        let plan = plan.ok_or_else(|| Error::Plan("it is told no plan".to_owned()))?;
        let plan = serde_json::from_slice(plan.as_bytes()).map_err(|error| Error::Plan(error.to_string()))?;
        own.extend(markers);
        Ok((plan, own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_gets_its_own_variables_and_the_markers_and_the_launcher_none_of_its_variables() {
        let plan = Plan { confinement: Confinement::system(), required: true, handover: None };
        let own =
            Environment::empty().set("LD_PRELOAD", "./x.so").set("A", "b").set("ORCHESTRATOR_PROCESS_TREE", "forged");
        let wrapped = plan.wrap(&own).unwrap();
        assert!(wrapped.get("LD_PRELOAD").is_none() && wrapped.get("A").is_none());

        let marked = wrapped.set("ORCHESTRATOR_PROCESS_TREE", "true");
        let given = marked.iter().map(|(name, value)| (name.clone(), value.clone()));
        let (told, mut variables) = Plan::unwrap(given).unwrap();
        variables.sort();
        assert_eq!(told, plan);
        let expected = [("A", "b"), ("LD_PRELOAD", "./x.so"), ("ORCHESTRATOR_PROCESS_TREE", "true")];
        assert_eq!(variables, expected.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn without_a_plan_nothing_is_started() {
        assert!(matches!(Plan::unwrap([]), Err(Error::Plan(_))));
        assert!(matches!(Plan::unwrap([(PLAN.into(), "{}".into())]), Err(Error::Plan(_))));
    }
}

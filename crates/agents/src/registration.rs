use std::collections::BTreeSet;

use orchestrator_vocab::{Actor, AgentId, Capability};

use crate::agent::{check, is_reserved};
use crate::{Definition, Error};

/// Who comes, and what it says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name. If the operator configured a program of this name in the organisation, that is the one that is meant.
    pub agent: AgentId,
    /// The configured program that is meant; it must have the agent's name.
    pub program: Option<AgentId>,
    /// A program: some of its configured ones, by default all. A worker: whatever it can do, by default nothing.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// A program: at most the configured number. A worker: by default 1.
    pub max_concurrent: Option<u32>,
    /// A worker's, for people.
    pub description: Option<String>,
    /// Who registers it.
    pub actor: Actor,
    /// The request or trace it came with.
    pub correlation: Option<String>,
}

impl Registration {
    /// A worker that can do nothing in particular.
    pub fn new(agent: AgentId, actor: Actor) -> Self {
        Self {
            agent,
            program: None,
            capabilities: None,
            max_concurrent: None,
            description: None,
            actor,
            correlation: None,
        }
    }

    /// Checks what holds for whoever registers, and what may be said about a program.
    pub(crate) fn check(&self, program: Option<&Definition>) -> Result<(), Error> {
        match (&self.program, program) {
            (Some(named), Some(_)) if *named != self.agent => {
                return Err(Error::invalid("program", format!("the agent of program `{named}` is `{named}`")));
            }
            (Some(named), Some(defined)) if defined.profile.is_some() => return Err(Error::NoProgram(named.clone())),
            (Some(named), None) => return Err(Error::NoProgram(named.clone())),
            _ => {}
        }
        let empty = BTreeSet::new();
        let capabilities = self.capabilities.as_ref().unwrap_or(&empty);
        let description = self.description.as_deref().unwrap_or_default();
        check(capabilities, self.max_concurrent.unwrap_or(1), description)?;
        if let Some(own) = capabilities.iter().find(|one| program.is_none() && is_reserved(one)) {
            let problem = format!("`{own}`: what begins with `agent.` or `type.` is given to agents by the daemon");
            return Err(Error::invalid("capabilities", problem));
        }
        program.map_or(Ok(()), |program| self.check_narrows(program))
    }

    fn check_narrows(&self, program: &Definition) -> Result<(), Error> {
        let mut asked = self.capabilities.iter().flatten();
        if let Some(more) = asked.find(|one| !program.capabilities.contains(*one)) {
            return Err(Error::invalid("capabilities", format!("program `{}` has no `{more}`", program.id)));
        }
        if self.max_concurrent.is_some_and(|asked| asked > program.max_concurrent) {
            return Err(Error::invalid("maxConcurrent", format!("configured is {}", program.max_concurrent)));
        }
        match self.description.as_deref().is_some_and(|said| said != program.description) {
            true => Err(Error::invalid("description", "a program's is in the configuration")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> AgentId {
        name.parse().unwrap()
    }

    fn set(names: &[&str]) -> BTreeSet<Capability> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Registration), expected: Result<(), &str>) {
        let coder =
            Definition { capabilities: set(&["rust", "go"]), max_concurrent: 2, ..Definition::new(id("coder")) };
        let mut registration = Registration::new(id("coder"), Actor::system("test"));
        change(&mut registration);
        let answer = registration.check(Some(&coder)).map_err(|error| error.to_string());
        assert_eq!(answer, expected.map_err(str::to_owned));
    }

    #[test]
    fn what_a_registration_says_of_a_program_may_only_narrow_it() {
        check(|_| {}, Ok(()));
        check(|r| r.program = Some(id("coder")), Ok(()));
        check(|r| r.capabilities = Some(set(&["rust"])), Ok(()));
        check(|r| r.max_concurrent = Some(1), Ok(()));
        check(|r| r.capabilities = Some(set(&["root"])), Err("capabilities: program `coder` has no `root`"));
        check(|r| r.max_concurrent = Some(3), Err("maxConcurrent: configured is 2"));
        check(|r| r.program = Some(id("other")), Err("program: the agent of program `other` is `other`"));
        check(|r| r.description = Some("mine".into()), Err("description: a program's is in the configuration"));
    }

    #[test]
    fn a_program_that_is_not_configured_is_refused() {
        let registration = Registration { program: Some(id("x")), ..Registration::new(id("x"), Actor::system("test")) };
        assert!(matches!(registration.check(None), Err(Error::NoProgram(_))));
    }
}

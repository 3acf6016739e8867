//! When something happens in one domain, what follows in another: one file per arrow. Each is idempotent.

mod answers;
mod concluding;
mod confirmed_skills;
mod confirmed_tools;
mod going_on;
mod hooks;
mod lost_tasks;
mod outcomes;
mod workspaces;

pub(crate) use answers::Answers;
pub(crate) use concluding::Conclude;
pub(crate) use confirmed_skills::confirmed_skills;
pub(crate) use confirmed_tools::confirmed_tools;
pub(crate) use going_on::GoOn;
pub(crate) use hooks::TellHooks;
pub(crate) use lost_tasks::StopSessions;
pub(crate) use outcomes::health_of_agents;
pub(crate) use workspaces::LeaveWorkspaces;

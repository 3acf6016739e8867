//! What one domain asks of another, answered: newtypes, because neither knows the other.

mod coding;
mod dispatch;
mod gate;
mod limits;
mod llm;
mod mcp;
mod operation_tools;
mod readiness;
mod roster;
mod spawning;
mod spending;
mod thinking;
mod toolbox;
mod trail;
mod witness;
mod work;
mod workforce;
mod workplaces;

use dispatch::WORKSPACE;
pub(crate) use dispatch::{ORCHESTRATOR, Programs, ToSessions};
pub(crate) use gate::Gate;
pub(crate) use limits::{PerAddress, quota};
pub(crate) use llm::Llms;
pub(crate) use mcp::tools_over_http;
pub(crate) use operation_tools::offer as offer_operations;
pub(crate) use readiness::Loops;
pub(crate) use roster::{Roster, read as read_agents};
pub(crate) use spawning::{Parent, Spawned, permissions};
pub(crate) use spending::SpendingLayer;
pub(crate) use thinking::Through;
pub(crate) use trail::Trail;
pub(crate) use witness::InJournals;
pub(crate) use work::OnBacklog;
pub(crate) use workforce::{FromRegistry, own_capability, type_capability};
pub(crate) use workplaces::{AtWork, Workplaces};

//! Agents that the command line of a coding agent runs, within what the operator configured and allows.

use std::collections::BTreeSet;
use std::path::PathBuf;

use orchestrator_agents::{PermissionMode as Asked, Profile, Runtime, tool_like, tools_of_claude_code};
use orchestrator_runtime_claude::{
    Asked as Request, Claude, CodingAgent, Dialect, PermissionMode, Permissions as Leave, Secrecy, Verdict,
};
use orchestrator_security::Refusal;
use orchestrator_tools::Context;
use orchestrator_vocab::{Actor, OrgId};
use orchestrator_workspaces::Workspace;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, service_fn};

use super::facts::{Foreign, unasked};
use super::gate::Gate;
use super::{Hooking, Llms, Rights, WORKSPACE};
use crate::config::Config;

/// What the names of its tools begin with. They are not ours: its `Read` reads whatever the program can, so that who allows
/// `fs.read` has not allowed it.
const OWN: &str = "claude.";

/// The command line that runs agents of this runtime, if one does.
fn dialect(runtime: Runtime) -> Option<Dialect> {
    match runtime {
        Runtime::ClaudeCode => Some(Dialect::ClaudeCode),
        Runtime::Ruflo => Some(Dialect::Ruflo),
        Runtime::Llm | Runtime::Program => None,
    }
}

/// What is not there to run an agent, and what to do about it.
pub(super) fn missing(runtime: Runtime) -> String {
    let name = runtime.as_str();
    match dialect(runtime) {
        Some(_) => format!("`{name}`, for which this daemon has no runtime: set codingAgents.{name}.command"),
        None => format!("`{name}`, for which this daemon has no runtime"),
    }
}

/// What a file says of an agent, within what the operator lets any do; `None` if no such command line is configured.
pub(super) fn claude(config: &Config, profile: &Profile) -> Option<Claude> {
    let dialect = dialect(profile.runtime)?;
    let operator = config.coding_agents.get(&dialect)?;
    let prompts = operator.system_prompt.iter().chain(Some(&profile.prompt));
    let prompts: Vec<&str> = prompts.map(String::as_str).filter(|prompt| !prompt.trim().is_empty()).collect();
    Some(Claude {
        dialect,
        model: profile.model.clone().or_else(|| operator.model.clone()),
        system_prompt: (!prompts.is_empty()).then(|| prompts.join("\n\n")),
        permission_mode: mode(profile.permission_mode, operator.permission_mode),
        turns_max: [profile.limits.max_turns, operator.turns_max].into_iter().flatten().min(),
        timeout_ms: [profile.limits.timeout_ms, operator.timeout_ms].into_iter().flatten().min(),
        ..operator.clone()
    })
}

/// The narrower of what the file asks for and what the operator lets any have.
fn mode(asked: Asked, bound: PermissionMode) -> PermissionMode {
    match (asked, bound) {
        (Asked::Plan, _) | (_, PermissionMode::Plan) => PermissionMode::Plan,
        (Asked::AcceptEdits, PermissionMode::AcceptEdits) => PermissionMode::AcceptEdits,
        _ => PermissionMode::Default,
    }
}

/// An agent for one session.
pub(super) fn runtime(
    claude: &Claude,
    rights: &Rights,
    llms: &Llms,
    (org, workspace): (OrgId, Option<&Workspace>),
) -> CodingAgent {
    let mut claude = claude.clone();
    let asks_for_edits = claude.permission_mode != PermissionMode::AcceptEdits;
    let denied = tools_of_claude_code().filter(|tool| {
        let (name, alike) = (name(tool), alike(tool));
        !llms.gate.might_allow((&name, &alike), unasked(&name, asks_for_edits), org, rights)
    });
    // What it would not ask leave for is not there for it.
    let all: BTreeSet<String> = denied.map(str::to_owned).chain(claude.disallowed_tools).collect();
    claude.disallowed_tools = all.into_iter().collect();
    if let Some(workspace) = workspace {
        claude.working_directory = Some(workspace.path.clone());
        claude.environment.set.insert(WORKSPACE.to_owned(), workspace.path.display().to_string());
    }
    let directory = claude.working_directory.clone();
    let (labels, within) = (llms.gate.labels().clone(), directory.clone());
    let secrecy =
        Secrecy::new(move |tool, input| labels.told_by_coding((&name(tool), &alike(tool)), input, within.as_deref()));
    let leave = leave(llms.gate.clone(), llms.hooking.clone(), (rights.clone(), directory));
    CodingAgent::new(claude, leave, llms.through.clock.clone()).labelled(secrecy)
}

/// What one of its tools is called in `tools.allow`.
fn name(tool: &str) -> String {
    format!("{OWN}{tool}")
}

/// What an agent's file calls it: as our tool that is like it, if there is one.
fn alike(tool: &str) -> String {
    tool_like(tool).map_or_else(|| name(tool), str::to_owned)
}

/// Asks hooks once, then the gate, and waits if a person has to confirm it: the program waits with its session meanwhile.
fn leave(gate: Gate, hooking: Hooking, (rights, directory): (Rights, Option<PathBuf>)) -> Leave {
    BoxCloneSyncService::new(service_fn(move |request: Request| {
        let (gate, hooking, rights, directory) = (gate.clone(), hooking.clone(), rights.clone(), directory.clone());
        async move {
            let (tool, alike) = (name(&request.tool), alike(&request.tool));
            let (said, input) = hooking.foreign((&tool, &alike), request.input.clone(), &context(&request)).await;
            loop {
                let context = context(&request);
                let call = Foreign { tool: &tool, alike: &alike, arguments: &input, directory: directory.as_deref() };
                let judged = gate.judge_foreign(call, &context, (&rights, said.clone())).await;
                match judged {
                    Ok(reason) => return Ok::<_, BoxError>(Verdict::Allow { reason, input: Some(input) }),
                    Err(Refusal::Denied { reason }) => return Ok(Verdict::Deny { reason }),
                    Err(Refusal::Waits { approval, .. }) => gate.until_answered(request.org, approval).await,
                }
            }
        }
    }))
}

fn context(request: &Request) -> Context {
    Context {
        session: Some(request.session),
        task: Some(request.task),
        agent: Some(request.agent.clone()),
        label: request.label,
        ..Context::new(request.org, Actor::Agent(request.agent.clone()), request.call.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_widens_the_mode() {
        for (asked, bound, given) in [
            (Asked::Default, PermissionMode::AcceptEdits, PermissionMode::Default),
            (Asked::AcceptEdits, PermissionMode::AcceptEdits, PermissionMode::AcceptEdits),
            (Asked::AcceptEdits, PermissionMode::Default, PermissionMode::Default),
            (Asked::BypassPermissions, PermissionMode::AcceptEdits, PermissionMode::Default),
            (Asked::DontAsk, PermissionMode::Plan, PermissionMode::Plan),
            (Asked::Plan, PermissionMode::AcceptEdits, PermissionMode::Plan),
        ] {
            assert_eq!(mode(asked, bound), given, "{asked:?} within {bound:?}");
        }
    }

    #[test]
    fn its_tools_have_names_of_their_own_for_the_operator_and_of_ours_in_files() {
        assert_eq!(["Bash", "mcp__git__push"].map(name), ["claude.Bash", "claude.mcp__git__push"]);
        assert_eq!(["Bash", "MultiEdit", "WebFetch"].map(alike), ["command.run", "fs.edit", "http.fetch"]);
        assert_eq!(["TodoWrite", "mcp__git__push"].map(alike), ["claude.TodoWrite", "claude.mcp__git__push"]);
    }
}

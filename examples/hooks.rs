//! Hooks: a closure that decides, a program that changes what is to be done, a guard that looks at what came of it.
//!
//! `cargo run -p orchestrator-examples --example hooks`

use std::sync::Arc;

use orchestrator_hooks::{Answer, Config, Event, Hook, Hooks, Input, Parts, ToolUse};
use orchestrator_process::Host;
use orchestrator_redact::Redactor;
use orchestrator_vocab::{OrgId, SystemClock};
use serde_json::json;

fn call(argv: &[&str]) -> Input {
    let input = json!({ "argv": argv });
    let tool = ToolUse { name: "command.run".to_owned(), input, id: "call-1".to_owned(), response: None };
    Input { tool: Some(tool), ..Input::new(OrgId::LOCAL) }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Instead of asking for a deployment, one is tried.
    let script = r#"case "$(cat)" in *'["deploy"]'*)
        echo '{"hookSpecificOutput": {"updatedInput": {"argv": ["deploy", "--dry-run"]}}}';; esac"#;
    let config: Config = serde_json::from_value(json!({
        "builtin": ["dangerousCommands"],
        "custom": { "dry": { "events": ["PreCommand"], "program": { "command": ["sh", "-c", script] } } },
    }))?;
    let quiet = Hook::new("quiet", [Event::PreCommand], |_, input: Input| async move {
        let argv = input.tool.map(|tool| tool.input["argv"].to_string()).unwrap_or_default();
        Ok(if argv.contains("yes") { Answer::ask("it never ends") } else { Answer::default() })
    });
    let hooks = Hooks::new(Parts {
        config,
        more: vec![quiet.with_priority(5)],
        redactor: Redactor::builder().build(),
        clock: Arc::new(SystemClock),
        host: Host::unconfined("hooks-example"),
        listener: Arc::new(|ran| println!("  {} {}", ran.hook, ran.outcome.as_str())),
    })?;
    for argv in [&["ls"][..], &["deploy"], &["yes"], &["sh", "-c", "rm -rf /"]] {
        println!("{argv:?}");
        let decision = hooks.decide(&[Event::PreCommand, Event::PreToolUse], call(argv)).await;
        match (decision.objection(), decision.input) {
            (Some(objection), _) => println!("  {objection}"),
            (None, Some(changed)) => println!("  instead: {changed}"),
            (None, None) => println!("  nobody minds"),
        }
    }
    for hook in hooks.list() {
        println!("{}: {} runs, {} blocked", hook.name, hook.runs, hook.blocked);
    }
    Ok(())
}

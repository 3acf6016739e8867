//! A conversation with a model that calls a tool, as the journal of its session keeps it, and run again from there.
//!
//! `cargo run -p orchestrator-examples --example runtime_llm`

use orchestrator_runtime_llm::{Limits, Profile, replay};
use orchestrator_sessions::{Entry, Numbered, Repeat};
use orchestrator_transcript::{Block, Content, Message, Role, Stop, StopReason, ToolCall, ToolResult, Usage};
use orchestrator_vocab::{Label, OrgId, Timestamp};

/// What a model says.
fn answered(reason: StopReason, content: Content) -> Entry {
    let message = Message { role: Role::Assistant, content: vec![Block::new(Label::USER, content)], origin: None };
    let usage = Usage { input: 40, output: 8, ..Usage::default() };
    Entry::Answered { message, usage, stop: Stop::new(reason, "end"), trace: None }
}

fn main() -> anyhow::Result<()> {
    let limits = Limits { turns_max: 5, ..Limits::default() };
    let profile = Profile { system: "You count.".into(), limits, ..Profile::default() };
    let call = ToolCall::parse("1", "fs_list", r#"{"path": "."}"#);
    let (digest, key) = (call.digest()?, "session.1.0".to_owned());
    let entries = [
        Entry::Began {
            runtime: "llm".into(),
            profile: serde_json::to_value(profile)?,
            message: Message::user(Label::USER, "How many files are there?"),
        },
        answered(StopReason::ToolUse, Content::ToolCall(call)),
        Entry::Decided { call: "1".into(), allowed: true, reason: "tools.allow has fs.*".into() },
        Entry::Calling { call: "1".into(), tool: "fs.list".into(), digest, key, repeat: Repeat::Harmless },
        Entry::Returned { result: ToolResult::text("1", "a.txt b.txt"), label: Label::default(), millis: 3 },
        answered(StopReason::EndTurn, Content::Text { text: "Two.".into() }),
    ];
    // After a crash, what is next depends on how far it had come, and on nothing else.
    for length in 1..=entries.len() {
        let written = entries[..length].iter().cloned().zip(1..);
        let journal: Vec<Numbered> =
            written.map(|(entry, number)| Numbered { number, at: Timestamp::default(), entry }).collect();
        let again = replay(OrgId::LOCAL, &journal)?;
        println!("{:9} then {} {}", journal[length - 1].entry.kind(), again.next, again.outcome);
    }
    Ok(())
}

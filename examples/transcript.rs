//! An answer that arrives in pieces, a call whose arguments are cut off, and the digest by which calls are compared.
//!
//! `cargo run -p orchestrator-examples --example transcript`

use orchestrator_transcript::{
    Accumulator, Delta, Message, Opening, Origin, Stop, StopReason, StreamEvent, ToolCall, Usage,
};
use orchestrator_vocab::Label;

fn main() -> anyhow::Result<()> {
    let question = Message::user(Label::USER, "What is in a.txt?");
    let mut answer = Accumulator::new(question.label());
    for event in stream() {
        println!("<- {}", serde_json::to_string(&event)?);
        answer.push(event)?;
    }
    let unfinished = answer.clone();
    answer.push(StreamEvent::End { stop: Stop::new(StopReason::ToolUse, "tool_use") })?;
    println!("without its end: {}", unfinished.finish().map_or_else(|error| error.to_string(), |_| "whole".into()));

    let reply = answer.finish()?;
    println!("{:?} after {} tokens: {}", reply.stop.reason, reply.usage.total(), reply.message.text());
    for call in reply.message.tool_calls() {
        println!("{} {} = {}", call.name, call.arguments, call.digest()?);
    }
    let same = ToolCall::parse("other", "read", r#"{ "lines": 1e1, "path": "a.txt" }"#);
    println!("written otherwise  = {}", same.digest()?);
    println!("cut off: {:?}", ToolCall::parse("x", "read", r#"{"path": "a.t"#).malformed);

    let elsewhere = reply.message.for_provider("another");
    println!("another provider is sent {} of {} blocks", elsewhere.content.len(), reply.message.content.len());
    Ok(())
}

fn stream() -> Vec<StreamEvent> {
    let origin = Origin { provider: "example".into(), model: "small".into() };
    let call = Opening::ToolCall { id: "call-1".into(), name: "read".into() };
    let delta = |index, delta| StreamEvent::Delta { index, delta };
    vec![
        StreamEvent::Start { origin, id: Some("answer-1".into()) },
        StreamEvent::BlockStart { index: 0, block: Opening::Thinking },
        delta(0, Delta::Thinking("I must look.".into())),
        delta(0, Delta::Signature("c2lnbmVk".into())),
        StreamEvent::BlockStop { index: 0 },
        StreamEvent::BlockStart { index: 1, block: Opening::Text },
        delta(1, Delta::Text("Let me ".into())),
        delta(1, Delta::Text("look.".into())),
        StreamEvent::BlockStop { index: 1 },
        StreamEvent::BlockStart { index: 2, block: call },
        delta(2, Delta::Arguments(r#"{"path": "a.t"#.into())),
        delta(2, Delta::Arguments(r#"xt", "lines": 10}"#.into())),
        StreamEvent::BlockStop { index: 2 },
        StreamEvent::Usage {
            usage: Usage { input: 40, cache_read: 1_000, output: 30, reasoning: 4, ..Usage::default() },
        },
    ]
}

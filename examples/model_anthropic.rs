//! Asks Claude to use a tool, answers the call, and prints what it says as it arrives. Needs ANTHROPIC_API_KEY; takes
//! ANTHROPIC_BASE_URL and ANTHROPIC_MODEL.

use std::io::Write as _;
use std::sync::Arc;

use orchestrator_model_anthropic::{Anthropic, Config};
use orchestrator_models::{Provider, Request, Tool};
use orchestrator_settings::Environment;
use orchestrator_transcript::{
    Accumulator, Block, Content, Delta, Message, Reply, Role, StopReason, StreamEvent, ToolResult,
};
use orchestrator_vocab::{Label, SystemClock};

/// Prints the words as they come.
async fn answer(provider: &dyn Provider, request: &Request) -> anyhow::Result<Reply> {
    let (mut stream, mut answer) = (provider.chat(request.clone()).await?, Accumulator::new(request.label()));
    while let Some(event) = stream.next().await {
        let event = event?;
        if let StreamEvent::Delta { delta: Delta::Text(text), .. } = &event {
            print!("{text}");
            std::io::stdout().flush()?;
        }
        answer.push(event)?;
    }
    Ok(answer.finish()?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let environment = Environment::from_process();
    let Some(key) = environment.get("ANTHROPIC_API_KEY") else {
        println!("missing: set ANTHROPIC_API_KEY=sk-ant-… (and ANTHROPIC_BASE_URL for another server)");
        return Ok(());
    };
    let mut config = Config { api_key: Some(key.into()), ..Config::default() };
    if let Some(url) = environment.get("ANTHROPIC_BASE_URL") {
        config.base_url = url.to_owned();
    }
    let claude = Anthropic::new("claude", config, Arc::new(SystemClock))?;
    let parameters = serde_json::json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let weather = Tool { name: "weather".into(), description: "The weather in a city".into(), parameters };
    let model = environment.get("ANTHROPIC_MODEL").unwrap_or("claude-sonnet-5");
    let mut request = Request::new(model, vec![Message::user(Label::USER, "What is the weather in Bern?")]);
    request.tools.push(weather);
    loop {
        let reply = answer(&claude, &request).await?;
        println!("\n[{} by {model}, {:?}]", reply.stop.raw, reply.usage);
        if reply.stop.reason != StopReason::ToolUse {
            return Ok(());
        }
        let rain = |id: &str| Content::ToolResult(ToolResult::text(id, "rain, 7 degrees"));
        let results = reply.message.tool_calls().map(|call| Block::new(Label::default(), rain(&call.id))).collect();
        request.messages.extend([reply.message, Message { role: Role::User, content: results, origin: None }]);
    }
}

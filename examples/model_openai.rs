//! Asks a model of OpenAI, or of a server that speaks like it, to call a tool, and prints the answer as it arrives.
//! Needs OPENAI_API_KEY, or OPENAI_BASE_URL of a server that takes no key; OPENAI_MODEL names the model.

use std::sync::Arc;

use orchestrator_model_openai::{Config, OpenAi};
use orchestrator_models::{Provider as _, Request, Tool};
use orchestrator_settings::Environment;
use orchestrator_transcript::{Accumulator, Block, Content, Delta, Message, Role, StreamEvent, ToolResult};
use orchestrator_vocab::{Clock as _, Label, SystemClock};
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let environment = Environment::from_process();
    let (key, url) = (environment.get("OPENAI_API_KEY"), environment.get("OPENAI_BASE_URL"));
    if key.is_none() && url.is_none() {
        println!("missing: set OPENAI_API_KEY, or OPENAI_BASE_URL=http://… of a server that takes no key");
        return Ok(());
    }
    let mut config = Config { api_key: key.map(|key| key.to_owned().into()), ..Config::default() };
    if let Some(url) = url {
        config.base_url = url.to_owned();
    }
    let openai = OpenAi::new("openai", config, Arc::new(SystemClock))?;
    let model = environment.get("OPENAI_MODEL").unwrap_or("gpt-5-mini");
    let mut request = Request::new(model, vec![Message::user(Label::USER, "What time is it? Ask the clock.")]);
    let parameters = json!({ "type": "object", "properties": {} });
    request.tools.push(Tool { name: "clock".into(), description: "Tells the time in UTC.".into(), parameters });
    println!("about {} tokens", openai.count_tokens(&request).await?);
    for _ in 0..4 {
        let label = request.label();
        let (mut stream, mut answer) = (openai.chat(request.clone()).await?, Accumulator::new(label));
        while let Some(event) = stream.next().await {
            let event = event?;
            if let StreamEvent::Delta { delta: Delta::Text(text), .. } = &event {
                print!("{text}");
            }
            answer.push(event)?;
        }
        let reply = answer.finish()?;
        println!("\n[{}, {} tokens]", reply.stop.raw, reply.usage.total());
        let tell = |call: &orchestrator_transcript::ToolCall| {
            let result = ToolResult::text(&call.id, SystemClock.now().to_string());
            Block::new(Label::USER, Content::ToolResult(result))
        };
        let results: Vec<_> = reply.message.tool_calls().map(tell).collect();
        if results.is_empty() {
            break;
        }
        request.messages.push(reply.message);
        request.messages.push(Message { role: Role::User, content: results, origin: None });
    }
    Ok(())
}

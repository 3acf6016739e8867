use orchestrator_client::{Delivery, Subscription, Topics};
use orchestrator_vocab::EventId;
use serde_json::{Value, json};

use super::target;
use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::Tone;
use crate::params::Params;
use crate::show::{plain, text};
use crate::values;

#[derive(Debug, clap::Args)]
pub(crate) struct ChatArgs {
    /// What to say: a text, @FILE or -
    prompt: String,
    /// PROVIDER/MODEL [default: the primary one]
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,
    /// What the model is told before: a text, @FILE or -
    #[arg(long)]
    system: Option<String>,
    /// The most tokens of the answer
    #[arg(long, value_name = "TOKENS")]
    max_tokens: Option<u32>,
    /// Asks nobody else if the model cannot answer
    #[arg(long)]
    no_fallback: bool,
}

pub(super) async fn run(daemon: &Daemon, args: &ChatArgs) -> Result<(), Failure> {
    let stream_id = format!("cli-{}", EventId::new());
    let params = Params::new()
        .maybe("model", args.model.as_ref())
        .with("mayFallBack", !args.no_fallback)
        .maybe("system", args.system.as_deref().map(values::read_text).transpose()?)
        .maybe("maxTokens", args.max_tokens)
        .with("messages", json!([{ "role": "user", "content": values::read_text(&args.prompt)? }]));
    if !daemon.out.is_text() {
        let answer = daemon.call("model.chat", params).await?;
        let said = said(&answer);
        return daemon.out.show(&Answer { ids: vec![said.clone()], text: said, json: answer });
    }
    let topics = Topics::new(["stream.*"]).with_field("streamId", stream_id.as_str());
    let mut pieces = daemon.subscribe(topics).await?;
    let call = daemon.call("model.chat", params.with("streamId", stream_id));
    let mut call = Box::pin(call);
    let mut shown = String::new();
    let answer = loop {
        tokio::select! {
            answer = &mut call => break answer?,
            piece = next(&mut pieces) => {
                let piece = piece?;
                daemon.out.raw(&piece)?;
                shown.push_str(&piece);
            }
        }
    };
    // What was still on its way is in the answer.
    let whole = said(&answer);
    match whole.strip_prefix(&shown) {
        Some(rest) => daemon.out.line(rest)?,
        None => daemon.out.line(&format!("\n{whole}"))?,
    }
    for block in answer["message"]["content"].as_array().into_iter().flatten().filter(|block| is_call(block)) {
        daemon.out.line(&format!("calls {} {}", text(block, "name"), block["arguments"]))?;
    }
    let usage = &answer["usage"];
    let told = format!(
        "{}, {} tokens read, {} written, stopped by {}, {}",
        target(&answer["answeredBy"]),
        plain(&usage["input"]),
        plain(&usage["output"]),
        text(&answer["stop"]["reason"], "kind").replace('_', " "),
        text(&answer, "traceId"),
    );
    daemon.out.line(&daemon.out.paint(&told, Tone::Faint))
}

fn is_call(block: &Value) -> bool {
    text(block, "type") == "toolCall"
}

fn said(answer: &Value) -> String {
    let blocks = answer["message"]["content"].as_array().into_iter().flatten();
    blocks.filter(|block| text(block, "type") == "text").map(|block| text(block, "text")).collect()
}

/// The next piece of text; nothing more comes if the connection has ended.
async fn next(pieces: &mut Subscription) -> Result<String, Failure> {
    loop {
        match pieces.next().await.transpose()? {
            Some(Delivery::Event(event)) if event.name == "stream.chunk" => {
                let payload: Value = event.parse().unwrap_or(Value::Null);
                if text(&payload, "chunkType") == "text" {
                    return Ok(text(&payload, "content").to_owned());
                }
            }
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

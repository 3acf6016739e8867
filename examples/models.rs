//! Two scripted models behind a router: the first fails, the second answers, and the trace tells why.
//!
//! `cargo run -p orchestrator-examples --example models`

use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_models::{Ask, Attribution, Limits, Member, Parts, Request, Router, Script, Scripted};
use orchestrator_transcript::{Delta, Message, StreamEvent};
use orchestrator_vocab::{Label, OrgId, SystemClock};

const TIRED: &str = "rules: [{ fault: { error: overloaded, status: 529, retryAfterMs: 10 } }]";
const AWAKE: &str = "
rules:
  - when: { says: hello }
    pieceChars: 7
    say: [{ text: \"You said '{{last}}', and so do I.\" }]
";

fn member(name: &str, script: &str) -> anyhow::Result<Member> {
    let provider = Arc::new(Scripted::new(name, Script::parse(script)?));
    Ok(Member { provider, vendor: None, concurrent_max: 4, per_minute_max: None, models: BTreeMap::new() })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let members = vec![member("tired", TIRED)?, member("awake", AWAKE)?];
    let router = Router::new(Parts {
        fallbacks: vec!["awake/small".into()],
        embedder: Some("awake/small".into()),
        listener: Arc::new(|trace| println!("-- {} {:?}", trace.id, trace.outcome)),
        ..Parts::new(members, Some("tired/small".into()), Limits::default(), Arc::new(SystemClock))
    })?;
    let request = Request::new("", vec![Message::user(Label::USER, "hello")]);
    let mut answer = router
        .chat(Ask { org: OrgId::LOCAL, attribution: Attribution::default(), model: None, may_fall_back: true, request })
        .await?;
    println!("{} answers:", answer.target);
    while let Some(event) = answer.stream.next().await {
        if let StreamEvent::Delta { delta: Delta::Text(text), .. } = event? {
            println!("   {text:?}");
        }
    }
    for attempt in &router.trace(OrgId::LOCAL, answer.trace).map(|trace| trace.attempts.clone()).unwrap_or_default() {
        println!("{} after {} ms: {:?}", attempt.target, attempt.waited_ms, attempt.failure.as_ref().map(|f| f.kind));
    }
    Ok(())
}

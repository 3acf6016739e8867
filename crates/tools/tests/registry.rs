//! What the registry does around a tool.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_tools::{Call, Config, Context, Error, Invocation, Mint, Output, Registry, Repeat, Spec, Tool};
use orchestrator_vocab::{Actor, OrgId};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Does as its arguments say.
struct Puppet {
    spec: Arc<Spec>,
    begun: Arc<Notify>,
}

#[async_trait]
impl Tool for Puppet {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        match invocation.arguments["do"].as_str() {
            Some("panic") => panic!("as it was told"),
            Some("hang") => {
                self.begun.notify_one();
                std::future::pending().await
            }
            Some("obey") => {
                self.begun.notify_one();
                invocation.context.cancel.cancelled().await;
                Err(Error::Failed("half of it is done".into()))
            }
            Some("lie") => Ok(Output::structured(json!({ "sum": "much" }))),
            Some("talk") => Ok(Output::text("x".repeat(100))),
            _ => Ok(Output::structured(json!({ "sum": 1 }))),
        }
    }
}

fn puppet(name: &str) -> (Arc<dyn Tool>, Arc<Notify>) {
    let takes = json!({ "type": "object", "required": ["do"], "properties": { "do": { "type": "string" } },
        "additionalProperties": false });
    let spec = Spec::new(name.parse().unwrap(), "Does as it is told").takes(takes).repeats(Repeat::Harmless);
    let output = json!({ "type": "object", "properties": { "sum": { "type": "integer" } } });
    let spec = Arc::new(Spec { output: Some(output), timeout_ms: 1_000, output_bytes_max: 10, ..spec });
    let begun = Arc::new(Notify::new());
    (Arc::new(Puppet { spec, begun: begun.clone() }), begun)
}

fn registry() -> (Registry, Mint, Arc<Notify>) {
    let (registry, mint) = Registry::new(Config { arguments_bytes_max: 200, ..Config::default() });
    let (tool, begun) = puppet("test.puppet");
    registry.replace("test", vec![tool]).unwrap();
    (registry, mint, begun)
}

fn call(arguments: Value) -> Call {
    let context = Context::new(OrgId::LOCAL, Actor::User("ada".into()), "1");
    Call { tool: "test.puppet".parse().unwrap(), arguments, context }
}

async fn fails(arguments: Value) -> String {
    let (registry, mint, _) = registry();
    registry.call(mint.permit(call(arguments))).await.unwrap_err().to_string()
}

#[tokio::test]
async fn arguments_that_do_not_fit_never_reach_the_tool() {
    assert_eq!(fails(json!({})).await, "the arguments of test.puppet are wrong: \"do\" is a required property");
    assert!(fails(json!({ "do": 1 })).await.contains("/do: it is not of type \"string\""));
    assert!(fails(json!({ "do": "x", "also": 1 })).await.contains("also"));
    assert!(fails(json!({ "do": "x".repeat(300) })).await.contains("more than 200 bytes"));
}

#[tokio::test]
async fn a_panic_stays_the_tools_own() {
    let (registry, mint, _) = registry();
    let broken = registry.call(mint.permit(call(json!({ "do": "panic" })))).await;
    assert!(matches!(broken, Err(Error::Broken { .. })));
    registry.call(mint.permit(call(json!({ "do": "add" })))).await.unwrap();
}

#[tokio::test]
async fn what_is_said_is_cut_off_and_must_be_what_was_promised() {
    let (registry, mint, _) = registry();
    let talked = registry.call(mint.permit(call(json!({ "do": "talk" })))).await.unwrap();
    assert_eq!(talked, Output::text("xxxxxxxxxx\n[90 bytes more were left out]"));
    assert!(fails(json!({ "do": "lie" })).await.contains("not what it promised"));
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_time_out_and_when_nobody_wants_it() {
    let (registry, mint, begun) = registry();
    let late = registry.call(mint.permit(call(json!({ "do": "hang" })))).await;
    assert!(matches!(late, Err(Error::TimedOut { timeout_ms: 1_000, .. })));
    begun.notified().await;
    for (told, expected) in [("obey", "half of it is done"), ("hang", "test.puppet was cancelled")] {
        let mut wanted = call(json!({ "do": told }));
        wanted.context.cancel = tokio_util::sync::CancellationToken::new();
        let cancel = wanted.context.cancel.clone();
        let tool = Spec { timeout_ms: 60_000, ..(*registry.get(&wanted.tool).unwrap()).clone() };
        registry.replace("test", vec![Arc::new(Puppet { spec: Arc::new(tool), begun: begun.clone() })]).unwrap();
        let (failed, ()) = tokio::join!(registry.call(mint.permit(wanted)), async {
            begun.notified().await;
            cancel.cancel();
        });
        assert_eq!(failed.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_permit_of_another_registry_permits_nothing() {
    let (registry, _, _) = registry();
    let (_, other) = Registry::new(Config::default());
    let refused = registry.call(other.permit(call(json!({ "do": "add" })))).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
}

#[tokio::test]
async fn a_source_comes_and_goes_as_a_whole() {
    let (registry, mint, _) = registry();
    let mut changed = registry.changed();
    registry.replace("more", vec![puppet("more.a").0, puppet("more.b").0]).unwrap();
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    assert_eq!(registry.list().len(), 3);
    // `more_a` of one is what models call the other.
    let refused = registry.replace("third", vec![puppet("third").0, puppet("more_a").0]).unwrap_err();
    assert_eq!(refused.to_string(), "more_a: models could not tell it from more.a");
    assert!(!changed.has_changed().unwrap() && registry.list().len() == 3);
    registry.replace("more", Vec::new()).unwrap();
    assert_eq!(registry.list().len(), 1);
    let gone = Call { tool: "more.a".parse().unwrap(), ..call(json!({ "do": "add" })) };
    assert!(matches!(registry.call(mint.permit(gone)).await, Err(Error::Unknown(_))));
}

#[tokio::test]
async fn a_tool_whose_schema_is_none_is_not_registered() {
    let (registry, _, _) = registry();
    for wrong in [json!({ "type": "object", "properties": 5 }), json!({ "type": "string" }), json!(true)] {
        let spec = Spec::new("test.wrong".parse().unwrap(), "").takes(wrong);
        let tool = Puppet { spec: Arc::new(spec), begun: Arc::default() };
        assert!(registry.replace("wrong", vec![Arc::new(tool)]).is_err());
    }
    assert_eq!(registry.list().len(), 1);
}

#[test]
fn a_config_out_of_bounds_names_the_field() {
    Config::default().validate().unwrap();
    let none = Config { timeout_ms_max: 0, ..Config::default() };
    assert_eq!(none.validate().unwrap_err().to_string(), "timeoutMsMax: expected 1 to 86400000");
    assert!(Duration::from_millis(Config::default().timeout_ms_max) >= Duration::from_secs(60));
}

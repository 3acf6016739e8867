//! Two agents share a day's budget: one is stopped by its own limit, the other goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_budget::{By, Config, Error, Ledger, MemoryStore, NoWitness, Owner, Parts, Request, Spender};
use orchestrator_transcript::Usage;
use orchestrator_vocab::{OrgId, SystemClock, Tokens};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let per_agent = serde_json::json!({ "scope": "agent:*", "window": "day", "usd": "0.01" });
    let ledger = Ledger::new(Parts {
        store: Arc::new(MemoryStore::default()),
        clock: Arc::new(SystemClock),
        owner: Owner { node: "example".into(), epoch: 1 },
        config: Config {
            daily: Some(Tokens(50_000)),
            limits: vec![serde_json::from_value(per_agent)?],
            ..Config::default()
        },
        witness: Arc::new(NoWitness),
        vendors: BTreeMap::default(),
    })?;
    for agent in ["writer", "writer", "writer", "reader"] {
        let spender = Spender { agent: Some(agent.parse()?), ..Spender::of("openai", "gpt-4.1") };
        let (vendor, output_max) = (Some("openai".to_owned()), Some(500));
        let request =
            Request { org: OrgId::LOCAL, spender, vendor, price: None, input: 1_000, is_counted: false, output_max };
        match ledger.reserve(request).await {
            Ok(mut hold) => {
                // Here a model would be asked, and tell what it used.
                hold.told(Usage { input: 1_000, output: 300, ..Usage::default() }).await?;
                if let Some(spending) = hold.complete().await? {
                    println!("{agent} spent {} tokens, ${}", spending.amount.tokens, spending.amount.nano_usd);
                }
            }
            Err(Error::Exhausted(refusal)) => println!("{agent} is refused: {refusal}"),
            Err(error) => return Err(error.into()),
        }
    }
    let report = ledger.report(OrgId::LOCAL, By::Agent, None, None).await?;
    print!("{}", report.csv());
    for saving in report.savings {
        println!("{:?} of {} would save ${}, if {}", saving.how, saving.model, saving.saves_nano_usd, saving.assuming);
    }
    Ok(())
}

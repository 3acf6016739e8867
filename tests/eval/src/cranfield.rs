//! The collection, as it lies in its files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// What is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Abstract {
    pub(crate) number: u32,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// Of one question: the code of each abstract that was judged.
pub(crate) type Judgements = BTreeMap<u32, i8>;

/// Abstracts, questions and judgements.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) abstracts: Vec<Abstract>,
    /// In their order, which numbers them from 1.
    pub(crate) questions: Vec<String>,
    /// By question.
    pub(crate) judgements: BTreeMap<u32, Judgements>,
}

impl Collection {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self {
            abstracts: abstracts(&text("cran.all.1400")?).context("cran.all.1400")?,
            questions: questions(&text("cran.qry")?).context("cran.qry")?,
            judgements: judgements(&text("cranqrel")?).context("cranqrel")?,
        })
    }

    /// Its own.
    pub(crate) fn of_this_project() -> anyhow::Result<Self> {
        Self::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cranfield"))
    }
}

/// One record: its number, and its lines by the mark they stand under.
type Record = (u32, BTreeMap<char, Vec<String>>);

/// Splits at `.I`. After `.W` nothing but `.I` is a mark: in some texts lines stand that look like one.
fn records(text: &str) -> anyhow::Result<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    let mut mark = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(number) = line.strip_prefix(".I ") {
            let number = number.trim().parse().with_context(|| format!("line {}: expected a number", index + 1))?;
            records.push((number, BTreeMap::new()));
            mark = None;
            continue;
        }
        let Some((_, parts)) = records.last_mut() else { bail!("line {}: expected `.I` and a number", index + 1) };
        match mark_of(line) {
            Some(_) if mark == Some('W') => {}
            Some(found) => {
                mark = Some(found);
                parts.entry(found).or_default();
            }
            None => {
                let mark = mark.with_context(|| format!("line {}: expected a mark such as `.T`", index + 1))?;
                parts.entry(mark).or_default().push(line.to_owned());
            }
        }
    }
    Ok(records)
}

fn mark_of(line: &str) -> Option<char> {
    let mut characters = line.trim_end().strip_prefix('.')?.chars();
    let mark = characters.next().filter(char::is_ascii_uppercase)?;
    characters.next().is_none().then_some(mark)
}

fn abstracts(text: &str) -> anyhow::Result<Vec<Abstract>> {
    let of = |parts: &BTreeMap<char, Vec<String>>, mark: char| {
        parts.get(&mark).map(|lines| lines.join("\n").trim().to_owned()).unwrap_or_default()
    };
    let records = records(text)?.into_iter();
    Ok(records.map(|(number, parts)| Abstract { number, title: of(&parts, 'T'), text: of(&parts, 'W') }).collect())
}

/// The numbers they come with mean nothing; see the collection's README.
fn questions(text: &str) -> anyhow::Result<Vec<String>> {
    let text_of = |(number, parts): Record| {
        let lines = parts.get(&'W').with_context(|| format!("the question after `.I {number}` has no text"))?;
        Ok(lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
    };
    records(text)?.into_iter().map(text_of).collect()
}

fn judgements(text: &str) -> anyhow::Result<BTreeMap<u32, Judgements>> {
    let mut judgements: BTreeMap<u32, Judgements> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [question, number, code] = fields[..] else { bail!("line {}: expected three numbers", index + 1) };
        let wrong = || format!("line {}: expected three numbers", index + 1);
        let (question, number) = (question.parse().with_context(wrong)?, number.parse().with_context(wrong)?);
        let of_question: &mut Judgements = judgements.entry(question).or_default();
        let before = of_question.insert(number, code.parse().with_context(wrong)?);
        ensure!(before.is_none(), "line {}: judged before", index + 1);
    }
    Ok(judgements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_within_a_text_are_no_marks() {
        let text = ".I 7\n.T\na title\nin two lines\n.A\nsomebody\n.B\nsomewhere\n.W\nfirst\n.A\nsecond\n.W\n.5 of it\n.I 8\n.T\n.W\n";
        let expected = [
            Abstract { number: 7, title: "a title\nin two lines".into(), text: "first\nsecond\n.5 of it".into() },
            Abstract { number: 8, title: String::new(), text: String::new() },
        ];
        assert_eq!(abstracts(text).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let told = |error: anyhow::Error| format!("{error:#}");
        assert!(told(abstracts("words\n").unwrap_err()).starts_with("line 1: expected `.I`"));
        assert!(told(abstracts(".I 1\nwords\n").unwrap_err()).starts_with("line 2: expected a mark"));
        assert!(told(abstracts(".I one\n").unwrap_err()).starts_with("line 1: expected a number"));
        assert!(told(judgements("1 2 3\n1 2\n").unwrap_err()).starts_with("line 2: expected three"));
        assert!(told(judgements("1 2 3\n1 2 4\n").unwrap_err()).starts_with("line 2: judged before"));
        assert!(told(questions(".I 3\n").unwrap_err()).contains("`.I 3` has no text"));
    }

    #[test]
    fn the_collection_has_the_numbers_it_is_known_for() {
        let Collection { abstracts, questions, judgements } = Collection::of_this_project().unwrap();
        let numbers: Vec<u32> = abstracts.iter().map(|one| one.number).collect();
        assert_eq!(numbers, (1..=1_400).collect::<Vec<_>>());
        let empty = abstracts.iter().filter(|one| one.text.is_empty()).map(|one| one.number);
        assert_eq!(empty.collect::<Vec<_>>(), [471, 995]);
        assert_eq!(questions.len(), 225);
        assert!(questions[0].starts_with("what similarity laws must be obeyed when constructing aeroelastic models"));
        assert!(questions[224].ends_with("lift-drag ratios at mach numbers above 5 ."));
        assert_eq!(judgements.keys().copied().collect::<Vec<_>>(), (1..=225).collect::<Vec<_>>());
        let codes: Vec<i8> = judgements.values().flat_map(|of| of.values().copied()).collect();
        let count = |code: i8| codes.iter().filter(|one| **one == code).count();
        assert_eq!([1, 2, 3, 4, -1].map(count), [128, 387, 734, 363, 225]);
        assert_eq!(codes.len(), 1_837);
        assert!(judgements.values().flat_map(Judgements::keys).all(|number| (1..=1_400).contains(number)));
    }
}

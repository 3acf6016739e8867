//! What an audit log promises: nothing is lost, and nothing is changed unseen.
#![expect(clippy::unwrap_used, reason = "a test's own preparations")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orchestrator_redact::Forgotten;
use orchestrator_security::{
    Audit, Config, Decision, Entry, Error, FaultKind, Filter, Parts, Signer, Verified, verify,
};
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("audit")
    }

    fn open_with(&self, config: Config) -> Result<Audit, Error> {
        let signer = Signer::open(&self.0.path().join("audit.key"))?;
        Audit::open(Parts { directory: self.directory(), signer, clock: Arc::new(SystemClock), config })
    }

    fn open(&self) -> Audit {
        self.open_with(small()).unwrap()
    }

    fn file(&self, number: u64) -> PathBuf {
        self.directory().join(format!("audit-{number:06}.jsonl"))
    }

    fn verified(&self) -> Verified {
        verify(&self.directory(), None).unwrap()
    }

    #[track_caller]
    fn has(&self, kind: FaultKind) {
        let verified = self.verified();
        assert!(
            !verified.intact && verified.faults.iter().any(|fault| fault.kind == kind),
            "{kind:?} in {verified:#?}"
        );
    }
}

/// A file holds about ten records.
fn small() -> Config {
    Config { segment_bytes_max: 4_096, checkpoint_every: 4, ..Config::default() }
}

fn entry(number: u64) -> Entry {
    Entry {
        org: OrgId::LOCAL,
        actor: Actor::Agent("coder".parse().unwrap()),
        action: format!("tool.number{number}"),
        decision: if number.is_multiple_of(3) { Decision::Denied } else { Decision::Allowed },
        reason: "tools.allow has fs.*".into(),
        session: None,
        task: None,
        agent: None,
        digest: None,
        arguments: "{}".into(),
        rules: Default::default(),
        charters: std::collections::BTreeMap::default(),
    }
}

async fn written(audit: &Audit, count: u64) {
    for number in 1..=count {
        audit.append(entry(number)).await.unwrap();
    }
}

fn edit(path: &Path, change: impl FnOnce(Vec<String>) -> Vec<String>) {
    let text = fs::read_to_string(path).unwrap();
    let lines = change(text.lines().map(str::to_owned).collect());
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[tokio::test]
async fn records_go_over_files_and_restarts_without_a_gap() {
    let place = Place::new();
    let audit = place.open();
    written(&audit, 25).await;
    audit.close().await;
    let audit = place.open();
    assert_eq!(audit.append(entry(26)).await.unwrap(), 26);
    let verified = audit.verify().unwrap();
    assert!(verified.intact, "{verified:#?}");
    assert!(verified.files > 1 && verified.checkpoints > 4, "{verified:#?}");
    assert_eq!((verified.records, verified.head.unwrap()), (26, audit.head()));

    let numbers = |filter: &Filter, before| -> Vec<u64> {
        audit.list(filter, before, 5).unwrap().iter().map(|record| record.seq).collect()
    };
    assert_eq!(numbers(&Filter::default(), None), [26, 25, 24, 23, 22]);
    assert_eq!(
        numbers(&Filter { decision: Some(Decision::Denied), ..Filter::default() }, Some(20)),
        [18, 15, 12, 9, 6]
    );
    assert!(numbers(&Filter { org: Some(OrgId::new()), ..Filter::default() }, None).is_empty());
    let summary = audit.summary(&Filter::default()).unwrap();
    assert_eq!((summary.records, summary.denied, summary.counts.len()), (26, 8, 26));
}

#[tokio::test]
async fn those_that_come_together_are_all_there() {
    let place = Place::new();
    let audit = place.open_with(Config::default()).unwrap();
    let mut all = tokio::task::JoinSet::new();
    for number in 1..=500 {
        let audit = audit.clone();
        all.spawn(async move { audit.append(entry(number)).await.unwrap() });
    }
    let mut numbers = all.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=500).collect::<Vec<_>>());
    assert!(audit.verify().unwrap().intact);
    audit.close().await;
    audit.append(entry(501)).await.unwrap_err();
}

#[tokio::test]
async fn what_is_exported_can_be_verified_elsewhere() {
    let place = Place::new();
    let audit = place.open();
    written(&audit, 25).await;
    audit.close().await;
    let audit = place.open();
    let elsewhere = tempfile::tempdir().unwrap();
    let (mut from, mut lines) = (Some(1), Vec::new());
    while let Some(start) = from {
        let (page, next) = audit.lines(start, 7).unwrap();
        lines.extend(page);
        from = next;
    }
    // Each file begins with a line that says so.
    let mut number = 0;
    for line in lines {
        number += u64::from(line.contains("\"begun\""));
        let path = elsewhere.path().join(format!("audit-{number:06}.jsonl"));
        let there = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, there + &line + "\n").unwrap();
    }
    fs::copy(place.directory().join("head.json"), elsewhere.path().join("head.json")).unwrap();
    let there = verify(elsewhere.path(), None).unwrap();
    assert!(there.intact, "{there:#?}");
    assert_eq!((there.records, there.head), (25, Some(audit.head())));
}

#[tokio::test]
async fn each_kind_of_tampering_is_found() {
    type Change = fn(&Place);
    let cases: [(&str, FaultKind, Change); 12] = [
        ("a changed word", FaultKind::Changed, |place| {
            edit(&place.file(1), |lines| lines.iter().map(|line| line.replace("number5", "number6")).collect());
        }),
        ("a record that was removed", FaultKind::Missing, |place| {
            edit(&place.file(1), |mut lines| {
                lines.remove(2);
                lines
            });
        }),
        ("records that were exchanged", FaultKind::Reordered, |place| {
            edit(&place.file(1), |mut lines| {
                lines.swap(2, 3);
                lines
            });
        }),
        ("a record that was put in", FaultKind::Reordered, |place| {
            edit(&place.file(1), |mut lines| {
                lines.insert(3, lines[2].clone());
                lines
            });
        }),
        ("an end that was cut off", FaultKind::Truncated, |place| {
            let last = fs::read_dir(place.directory()).unwrap().count() as u64 - 1;
            edit(&place.file(last), |lines| lines[..1].to_vec());
        }),
        ("a file that was removed from the end", FaultKind::Truncated, |place| {
            let last = fs::read_dir(place.directory()).unwrap().count() as u64 - 1;
            fs::remove_file(place.file(last)).unwrap();
        }),
        ("a file that was removed from the middle", FaultKind::Missing, |place| {
            fs::remove_file(place.file(2)).unwrap()
        }),
        ("the first file removed", FaultKind::Missing, |place| fs::remove_file(place.file(1)).unwrap()),
        ("the note of the end removed", FaultKind::Missing, |place| {
            fs::remove_file(place.directory().join("head.json")).unwrap();
        }),
        ("a signature that was changed", FaultKind::Unsigned, |place| {
            edit(&place.file(1), |lines| {
                lines.iter().map(|line| line.replace("\"signature\":\"", "\"signature\":\"AAAA")).collect()
            });
        }),
        ("spaces that mean nothing", FaultKind::Malformed, |place| {
            edit(&place.file(1), |lines| lines.iter().map(|line| line.replace("\"seq\":", "\"seq\": ")).collect());
        }),
        ("a key that is there twice", FaultKind::Malformed, |place| {
            edit(&place.file(1), |lines| {
                lines.iter().map(|line| line.replace("\"seq\":2", "\"seq\":9,\"seq\":2")).collect()
            });
        }),
    ];
    for (what, kind, change) in cases {
        let place = Place::new();
        let audit = place.open();
        written(&audit, 25).await;
        audit.close().await;
        assert!(place.verified().intact, "before {what}: {:#?}", place.verified());
        change(&place);
        println!("{what}");
        place.has(kind);
    }
}

#[tokio::test]
async fn a_log_that_was_written_anew_by_somebody_else_is_another_one() {
    let (place, other) = (Place::new(), Place::new());
    for place in [&place, &other] {
        let audit = place.open();
        written(&audit, 25).await;
        audit.close().await;
    }
    let key = place.verified().key.unwrap();
    let replaced = verify(&other.directory(), Some(&key)).unwrap();
    assert!(!replaced.intact, "whoever knows the key notices");
    fs::copy(other.file(2), place.file(2)).unwrap();
    place.has(FaultKind::Replaced);
}

#[tokio::test]
async fn an_end_that_was_changed_stops_the_start() {
    let place = Place::new();
    let audit = place.open();
    written(&audit, 3).await;
    audit.close().await;
    edit(&place.file(1), |mut lines| {
        lines.truncate(2);
        lines
    });
    let refused = place.open_with(small()).unwrap_err();
    assert!(matches!(&refused, Error::Tampered { fault, .. } if fault.kind == FaultKind::Truncated), "{refused}");
}

#[tokio::test]
async fn half_a_line_at_the_end_was_never_answered_for_and_goes() {
    let place = Place::new();
    let audit = place.open();
    written(&audit, 3).await;
    audit.close().await;
    let whole = fs::read_to_string(place.file(1)).unwrap();
    fs::write(place.file(1), format!("{whole}{{\"hash\":\"sha256:00")).unwrap();
    assert!(place.verified().intact, "it may be on its way");
    let audit = place.open();
    assert_eq!(audit.append(entry(4)).await.unwrap(), 4);
    assert!(audit.verify().unwrap().intact && fs::read_to_string(place.file(1)).unwrap().starts_with(&whole));
    // Nor was a file that is empty.
    audit.close().await;
    fs::write(place.file(2), "").unwrap();
    let audit = place.open();
    assert_eq!(audit.append(entry(5)).await.unwrap(), 5);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_until_it_can() {
    let place = Place::new();
    let audit = place.open();
    let away = place.0.path().join("away");
    fs::rename(place.directory(), &away).unwrap();
    let mut refused = 0;
    // Once a file is full, the next one cannot be made where no directory is.
    for number in 1..=40 {
        refused += u32::from(audit.append(entry(number)).await.is_err());
    }
    assert!(refused > 10 && audit.problem().is_some(), "{refused}");
    fs::rename(&away, place.directory()).unwrap();
    let seq = audit.append(entry(41)).await.unwrap();
    assert_eq!(audit.problem(), None);
    let verified = audit.verify().unwrap();
    assert!(verified.intact && verified.records == seq, "{verified:#?}");
}

#[tokio::test]
async fn arguments_are_taken_away_and_the_chain_is_as_it_was() {
    let place = Place::new();
    let audit = place.open();
    written(&audit, 25).await;
    let about = Entry { arguments: r#"{"to":"Ada"}"#.into(), ..entry(26) };
    audit.append(about.clone()).await.unwrap();
    audit.append(Entry { org: OrgId::new(), ..about }).await.unwrap();
    let before = place.verified();
    let ada = |entry: &Entry| entry.org == OrgId::LOCAL && entry.arguments.contains("Ada");
    assert_eq!(audit.forget(ada, false).await.unwrap(), Forgotten { erased: 1, held: 0 });
    assert_eq!(place.verified(), before, "it was only counted");
    assert_eq!(audit.forget(ada, true).await.unwrap(), Forgotten { erased: 1, held: 0 });
    assert_eq!(audit.forget(ada, true).await.unwrap(), Forgotten::default());
    let after = place.verified();
    assert_eq!((after.intact, after.erased, &after.head), (true, 1, &before.head), "{after:#?}");
    let newest = audit.list(&Filter::default(), None, 3).unwrap();
    let shown: Vec<&str> = newest.iter().map(|record| record.entry.arguments.as_str()).collect();
    assert_eq!(shown, [r#"{"to":"Ada"}"#, "[erased]", "{}"]);
    written(&audit, 12).await;
    audit.close().await;
    assert!(place.verified().intact, "it was written on behind what is left");
    drop(place.open());
}

#[tokio::test]
async fn arguments_that_are_not_those_of_the_record_are_found() {
    let place = Place::new();
    let audit = place.open();
    written(&audit, 2).await;
    audit.close().await;
    edit(&place.file(1), |lines| {
        lines.into_iter().map(|line| line.replace(r#""arguments":"{}""#, r#""arguments":"[]""#)).collect()
    });
    place.has(FaultKind::Changed);
}

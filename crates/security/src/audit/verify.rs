use std::path::{Path, PathBuf};

use orchestrator_transcript::Digest;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::forgetting::Beside;
use super::head::{self, Head};
use super::line::{Begun, Checkpoint, Line};
use super::record::Record;
use super::segment;
use super::signer::is_signed;

/// More than these are counted only.
const FAULTS_MAX: usize = 100;

/// What was found wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// In which file.
    pub file: String,
    /// In which of its lines, from 1; 0 if it is the file as a whole.
    pub line: u64,
    /// The record that should be there.
    pub seq: u64,
    /// What is wrong.
    pub kind: FaultKind,
    /// In words.
    pub detail: String,
}

impl Fault {
    /// Nothing in the file is a line of a log.
    pub(super) fn unreadable(path: &Path) -> Self {
        let detail = "nothing in it is of an audit log".to_owned();
        Self { file: name(path), line: 0, seq: 1, kind: FaultKind::Malformed, detail }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, line {}, record {}: {}", self.file, self.line, self.seq, self.detail)
    }
}

/// What may be wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// A line is none that this log writes.
    Malformed,
    /// A record is not what its hash says.
    Changed,
    /// Records, or a file, that were there are not.
    Missing,
    /// A record stands where another should: the order was changed, or something was put in.
    Reordered,
    /// The end is missing: more was written once.
    Truncated,
    /// A record, a checkpoint or a file is of another log, or the log was written anew.
    Replaced,
    /// What should be signed by the log's key is not.
    Unsigned,
}

/// What verifying came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Whether nothing was found wrong.
    pub intact: bool,
    /// How far it goes. Note it elsewhere: an old copy of the whole directory is in order by itself, and shows by this.
    pub head: Option<Head>,
    /// The public key that has signed, in base64. Who knows another one knows that the log is another one.
    pub key: Option<String>,
    /// Records that were looked at.
    pub records: u64,
    /// Of these, whose arguments were forgotten: as many as the log's own records of that say, or somebody else took them away.
    #[serde(default)]
    pub erased: u64,
    /// Checkpoints, all of which are signed.
    pub checkpoints: u64,
    /// Files.
    pub files: u64,
    /// What is wrong, in the order of the log, at most 100.
    pub faults: Vec<Fault>,
    /// How many there are.
    pub faults_total: u64,
}

/// Looks at a whole log. With a public key (base64) also whether it is that one which has signed.
///
/// # Errors
/// [`Error::Unreadable`]. What is wrong with the log itself is in the answer.
pub fn verify(directory: &Path, key: Option<&str>) -> Result<Verified, Error> {
    // Its end is looked at first: what is added meanwhile is beyond it.
    let files = segment::all(directory)?;
    let first = files.first().map(|(_, path)| segment::read(path)).transpose()?;
    let told = first.as_deref().and_then(|text| text.lines().next()).and_then(Line::read);
    let public = match (key, &told) {
        (Some(key), _) => Some(key.to_owned()),
        (None, Some(Line::Begun { begun })) => Some(begun.key.clone()),
        _ => None,
    };
    let head = public.as_deref().map_or(Ok(None), |public| head::read(directory, public));
    let mut checker = Checker::new(key.map(str::to_owned), head.as_ref().ok().cloned().flatten());
    for (number, path) in &files {
        checker.file(*number, path, &segment::read(path)?);
    }
    checker.end(directory, &head);
    Ok(checker.verified())
}

/// Follows a log line by line.
#[derive(Debug, Default)]
pub(super) struct Checker {
    key: Option<String>,
    pub(super) log: Option<String>,
    /// The number of the next record, once anything is known.
    pub(super) next: Option<u64>,
    pub(super) previous: Option<Digest>,
    /// How far the log went once, as its keeper has signed.
    reach: Option<Head>,
    /// Where the last whole line ended.
    pub(super) length: u64,
    pub(super) since_checkpoint: u64,
    next_file: Option<u64>,
    place: (String, u64),
    records: u64,
    erased: u64,
    checkpoints: u64,
    files: u64,
    pub(super) faults: Vec<Fault>,
    faults_total: u64,
}

impl Checker {
    /// Of the log that this key signs, which is known to have reached this record.
    pub(super) fn new(key: Option<String>, reach: Option<Head>) -> Self {
        Self { key, reach, ..Self::default() }
    }

    fn fault(&mut self, kind: FaultKind, detail: impl Into<String>) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            let (file, line) = self.place.clone();
            self.faults.push(Fault { file, line, seq: self.next.unwrap_or(1), kind, detail: detail.into() });
        }
    }

    pub(super) fn file(&mut self, number: u64, path: &Path, text: &str) {
        self.place = (name(path), 0);
        self.files += 1;
        self.length = 0;
        if self.next_file.is_some_and(|expected| expected != number)
            || (self.next_file.is_none() && self.next.is_none() && number != 1)
        {
            self.fault(FaultKind::Missing, "the file before this one is not there");
        }
        self.next_file = Some(number + 1);
        for line in text.split_inclusive('\n') {
            self.place.1 += 1;
            // The last one may be on its way, or was when the power went.
            let Some(whole) = line.strip_suffix('\n') else { break };
            self.length += line.len() as u64;
            let read = Line::read(whole);
            let is_first = self.place.1 == 1;
            match read {
                Some(Line::Begun { begun }) if is_first => self.begun(number, &begun),
                _ if is_first => self.fault(FaultKind::Malformed, "expected the beginning of a file of an audit log"),
                Some(Line::Record { hash, record, beside }) => {
                    self.record(hash, &record);
                    self.beside(&record, beside.as_ref());
                }
                Some(Line::Checkpoint { checkpoint, signature }) => self.checkpoint(&checkpoint, &signature),
                Some(Line::Begun { .. }) => self.fault(FaultKind::Reordered, "a file begins at its first line only"),
                None => self.malformed(),
            }
        }
    }

    /// Whatever it was, its number is spent.
    fn malformed(&mut self) {
        self.fault(FaultKind::Malformed, "this line is not as this log writes lines");
        self.next = self.next.map(|next| next + 1);
        self.previous = None;
    }

    fn begun(&mut self, number: u64, begun: &Begun) {
        let known = (
            self.log.get_or_insert_with(|| begun.log.clone()).clone(),
            self.key.get_or_insert_with(|| begun.key.clone()).clone(),
        );
        if known != (begun.log.clone(), begun.key.clone()) {
            self.fault(FaultKind::Replaced, "this file is of another log, or of another key");
        }
        if begun.number != number {
            self.fault(FaultKind::Reordered, format!("this was file {}", begun.number));
        }
        let origin = (number == 1).then(|| Begun::origin(&begun.log, &begun.key));
        if origin.is_some_and(|origin| origin != begun.previous || begun.first != 1) {
            self.fault(FaultKind::Changed, "the beginning of the log is not what it was");
        }
        match (self.next, self.previous) {
            (Some(next), _) if next != begun.first => {
                let kind = if begun.first > next { FaultKind::Missing } else { FaultKind::Reordered };
                self.fault(kind, format!("the file goes on at {}", begun.first));
            }
            (Some(_), Some(previous)) if previous != begun.previous => {
                self.fault(FaultKind::Replaced, "the file does not follow the one before it");
            }
            _ => {}
        }
        if self.reach.as_ref().is_some_and(|reach| reach.seq + 1 == begun.first && reach.hash != begun.previous) {
            self.fault(FaultKind::Replaced, "another record was before this file when the end of the log was signed");
        }
        (self.next, self.previous) = (Some(begun.first), Some(begun.previous));
    }

    fn record(&mut self, hash: Digest, record: &Record) {
        self.records += 1;
        let expected = self.next.unwrap_or(record.seq);
        if record.seq > expected {
            self.fault(FaultKind::Missing, format!("{} records are missing before this one", record.seq - expected));
        } else if record.seq < expected {
            self.fault(FaultKind::Reordered, format!("record {} stands here", record.seq));
        } else if self.previous.is_some_and(|previous| previous != record.previous) {
            self.fault(FaultKind::Replaced, "it does not follow the record before it");
        }
        if record.hash() != hash {
            self.fault(FaultKind::Changed, "its hash is not that of what it says");
        }
        if let Some(reach) = &self.reach
            && reach.seq == record.seq
            && reach.hash != hash
        {
            self.fault(FaultKind::Replaced, "another record was here when the end of the log was signed");
        }
        (self.next, self.previous) = (Some(record.seq + 1), Some(hash));
        self.since_checkpoint += 1;
    }

    /// What was taken away is missing with right, or without: the log tells of each time, and this of how many there are.
    fn beside(&mut self, record: &Record, beside: Option<&Beside>) {
        match (record.sealed, beside) {
            (None, None) => {}
            (Some(_), None) => self.erased += 1,
            (sealed, Some(beside)) => {
                if sealed != Some(beside.digest()) {
                    self.fault(FaultKind::Changed, "the arguments beside it are not those it was written with");
                }
            }
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, signature: &str) {
        self.since_checkpoint = 0;
        let key = self.key.clone().unwrap_or_default();
        if !is_signed(checkpoint, signature, &key) {
            return self.fault(FaultKind::Unsigned, "this checkpoint is not signed by the log's key");
        }
        self.checkpoints += 1;
        if Some(&checkpoint.log) != self.log.as_ref() {
            return self.fault(FaultKind::Replaced, "this checkpoint is of another log");
        }
        let here = self.next.unwrap_or(1) - 1;
        if checkpoint.seq > here {
            self.fault(FaultKind::Missing, format!("record {} stood before this checkpoint", checkpoint.seq));
        } else if checkpoint.seq < here {
            self.fault(FaultKind::Reordered, format!("this checkpoint stood after record {}", checkpoint.seq));
        } else if self.previous.is_some_and(|previous| previous != checkpoint.hash) {
            self.fault(FaultKind::Replaced, "the record before this checkpoint is not the one that was signed");
        }
    }

    /// Compares the end with where it was.
    pub(super) fn end(&mut self, directory: &Path, head: &Result<Option<Head>, String>) {
        self.place = (name(&head::path(directory)), 0);
        match head {
            Err(problem) => self.fault(FaultKind::Unsigned, problem.clone()),
            Ok(None) if self.records > 0 => self.fault(FaultKind::Missing, "the note of the log's end is not there"),
            Ok(None) => {}
            Ok(Some(head)) => {
                let here = self.next.unwrap_or(1) - 1;
                if self.log.as_ref().is_some_and(|log| *log != head.log) {
                    self.fault(FaultKind::Replaced, "the note of the log's end is of another log");
                } else if head.seq > here {
                    self.fault(FaultKind::Truncated, format!("the log once went to record {}", head.seq));
                }
            }
        }
    }

    fn verified(self) -> Verified {
        let head = self.log.zip(self.next).zip(self.previous);
        Verified {
            intact: self.faults_total == 0,
            head: head.map(|((log, next), hash)| Head { log, seq: next - 1, hash }),
            key: self.key,
            records: self.records,
            erased: self.erased,
            checkpoints: self.checkpoints,
            files: self.files,
            faults: self.faults,
            faults_total: self.faults_total,
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(PathBuf::from).unwrap_or_default().display().to_string()
}

//! Arguments lie beside their records: what is taken away leaves the chain as it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use orchestrator_redact::{ERASED, Forgotten};
use orchestrator_transcript::Digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::line::Line;
use super::record::{Entry, Record};
use super::segment;

/// What of a record may be forgotten. Without the number nobody can try out what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Beside {
    /// 16 random bytes in hexadecimal digits.
    salt: String,
    /// As they were shown.
    pub(super) arguments: String,
}

impl Beside {
    /// Takes the arguments out of an entry.
    pub(super) fn of(entry: &mut Entry) -> io::Result<Option<Self>> {
        if entry.arguments.is_empty() {
            return Ok(None);
        }
        let mut random = [0_u8; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
        let salt = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Self { salt, arguments: std::mem::take(&mut entry.arguments) }))
    }

    /// What a record says of it.
    pub(super) fn digest(&self) -> Digest {
        let value = serde_json::to_value(self).expect("two texts have an equivalent in JSON");
        Digest::of(&value).expect("there is no number in it")
    }
}

/// A record as it is read: with its arguments, or with the word that they were taken away.
pub(super) fn whole(mut record: Record, beside: Option<Beside>) -> Record {
    match beside {
        Some(beside) => record.entry.arguments = beside.arguments,
        None if record.sealed.is_some() => record.entry.arguments = ERASED.to_owned(),
        None => {}
    }
    record
}

/// Which arguments are to go.
pub(super) struct Forgetting {
    pub(super) concerns: Box<dyn Fn(&Entry) -> bool + Send>,
    /// Else they are only counted.
    pub(super) changes: bool,
}

/// A file without them, and how many they were; no text if nothing is to be written.
pub(super) fn without(path: &Path, forgetting: &Forgetting) -> Result<(Forgotten, Option<String>), Error> {
    // What is no text is no line of ours: a file that was damaged is left for `verify` to tell of.
    let text = fs::read_to_string(path).map_err(Error::unreadable(path))?;
    let (mut forgotten, mut left) = (Forgotten::default(), String::with_capacity(text.len()));
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n').and_then(Line::read) {
            Some(Line::Record { hash, record, beside }) if is_concerned(&record, beside.as_ref(), forgetting) => {
                if beside.is_some() {
                    forgotten.erased += 1;
                    left.push_str(&Line::Record { hash, record, beside: None }.text());
                    left.push('\n');
                } else {
                    // Of an earlier version: they are part of what its hash vouches for.
                    forgotten.held += 1;
                    left.push_str(line);
                }
            }
            _ => left.push_str(line),
        }
    }
    Ok((forgotten, (forgotten.erased > 0 && forgetting.changes).then_some(left)))
}

fn is_concerned(record: &Record, beside: Option<&Beside>, forgetting: &Forgetting) -> bool {
    let arguments = beside.map_or(&record.entry.arguments, |beside| &beside.arguments);
    !arguments.is_empty() && (forgetting.concerns)(&Entry { arguments: arguments.clone(), ..record.entry.clone() })
}

/// In the place of the file, whole or not at all.
pub(super) fn put(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    // One that was left behind when the power went.
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| drop(fs::remove_file(&fresh)))?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// All of a log, in the order of its files; `put` is told what becomes of each that changes.
pub(super) fn everywhere(
    directory: &Path,
    forgetting: &Forgetting,
    mut put: impl FnMut(u64, &Path, &str) -> io::Result<()>,
) -> Result<Forgotten, Error> {
    let mut forgotten = Forgotten::default();
    for (number, path) in segment::all(directory)? {
        let (more, left) = without(&path, forgetting)?;
        if let Some(left) = left {
            let failed = |error: io::Error| Error::Unwritable(format!("{}: {error}", path.display()));
            put(number, &path, &left).map_err(failed)?;
        }
        forgotten += more;
    }
    Ok(forgotten)
}

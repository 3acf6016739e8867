use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use orchestrator_redact::Forgotten;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::oneshot;

use super::error::Error;
use super::forgetting::{self, Beside, Forgetting};
use super::head::{self, Head};
use super::line::{Begun, Checkpoint, Line};
use super::log::{Job, Parts, Shared};
use super::record::{Entry, Record};
use super::segment;
use super::verify::{Checker, Fault};

/// Entries that are synced together.
const GROUP_MAX: usize = 1_024;
/// After how long without entries the last ones get their checkpoint.
const IDLE: Duration = Duration::from_secs(60);
/// After how long it is tried again to write, while nothing could be written.
const RETRY: Duration = Duration::from_secs(1);

/// Entries that are written together, and who waits for each.
type Group = Vec<(Entry, oneshot::Sender<Result<u64, Error>>)>;

/// The one that writes.
pub(super) struct Writer {
    parts: Parts,
    head: Head,
    number: u64,
    /// How long the file is as far as it is in order.
    length: u64,
    since_checkpoint: u64,
    /// Opened again after a failure.
    file: Option<File>,
}

impl Writer {
    pub(super) fn open(parts: &Parts) -> Result<Self, Error> {
        let directory = &parts.directory;
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unwritable(directory))?;
        loop {
            let Some((number, path)) = segment::all(directory)?.pop() else { return Self::begin(parts) };
            let text = segment::read(&path)?;
            if text.contains('\n') {
                return Self::resume(parts, number, &text);
            }
            // The power went before its first line was written: nothing was ever in it.
            fs::remove_file(&path).map_err(unwritable(&path))?;
        }
    }

    /// A new log.
    fn begin(parts: &Parts) -> Result<Self, Error> {
        let mut random = [0_u8; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| Error::Unwritable("no random numbers".to_owned()))?;
        let log: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = Begun::origin(&log, &parts.signer.public());
        let head = Head { log, seq: 0, hash };
        let mut writer = Self { parts: parts.clone(), head, number: 0, length: 0, since_checkpoint: 0, file: None };
        writer.next_segment().map_err(unwritable(&parts.directory))?;
        head::write(&parts.directory, &writer.head, &parts.signer).map_err(unwritable(&parts.directory))?;
        Ok(writer)
    }

    /// Where it ended. What was cut off in the middle of a line was never answered for, and goes.
    fn resume(parts: &Parts, number: u64, text: &str) -> Result<Self, Error> {
        let public = parts.signer.public();
        let reach = head::read(&parts.directory, &public);
        let mut checker = Checker::new(Some(public), reach.clone().ok().flatten());
        // What lies before this file is not looked at here.
        checker.next = text.lines().next().and_then(Line::read).and_then(|line| match line {
            Line::Begun { begun } => Some(begun.first),
            _ => None,
        });
        let path = segment::path(&parts.directory, number);
        checker.file(number, &path, text);
        checker.end(&parts.directory, &reach);
        let known = checker.log.take().zip(checker.next).zip(checker.previous);
        match (known, checker.faults.into_iter().next()) {
            (Some(((log, next), hash)), None) => Ok(Self {
                parts: parts.clone(),
                head: Head { log, seq: next - 1, hash },
                number,
                length: checker.length,
                since_checkpoint: checker.since_checkpoint,
                file: None,
            }),
            (_, fault) => {
                let fault = Box::new(fault.unwrap_or_else(|| Fault::unreadable(&path)));
                Err(Error::Tampered { directory: parts.directory.clone(), fault })
            }
        }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Until it is closed, or nobody can send any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, shared: &Shared) {
        loop {
            let first = match jobs.recv_timeout(if shared.has_problem() { RETRY } else { IDLE }) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) if shared.has_problem() => {
                    self.recover(shared);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.checkpoint_if_due();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return self.checkpoint_if_due(),
            };
            let (mut group, mut forgettings, mut closed) = (Group::default(), Vec::new(), None);
            for job in std::iter::once(first).chain(jobs.try_iter().take(GROUP_MAX - 1)) {
                match job {
                    Job::Append(entry, done) => group.push((*entry, done)),
                    Job::Forget(forgetting, done) => forgettings.push((forgetting, done)),
                    Job::Close(done) => closed = Some(done),
                }
            }
            if !group.is_empty() {
                self.group(group, shared);
            }
            for (forgetting, done) in forgettings {
                let _ = done.send(self.forget(&forgetting));
            }
            if let Some(closed) = closed {
                self.checkpoint_if_due();
                let _ = closed.send(());
                return;
            }
        }
    }

    /// What is being written goes on behind what is left.
    fn forget(&mut self, forgetting: &Forgetting) -> Result<Forgotten, Error> {
        let directory = self.parts.directory.clone();
        forgetting::everywhere(&directory, forgetting, |number, path, left| {
            forgetting::put(path, left)?;
            if number == self.number {
                (self.file, self.length) = (None, left.len() as u64);
            }
            Ok(())
        })
    }

    fn checkpoint_if_due(&mut self) {
        if self.since_checkpoint > 0
            && let Err(error) = self.write_checkpoint()
        {
            // The next one vouches for what this one would have.
            tracing::warn!(%error, "no checkpoint was written into the audit log");
        }
    }

    /// Whoever waits until the daemon is ready again sends it nothing to write: a checkpoint tells whether something can be written.
    fn recover(&mut self, shared: &Shared) {
        let written = self.next_segment_if_full().and_then(|()| self.write_checkpoint());
        let written = written.and_then(|()| head::write(&self.parts.directory, &self.head, &self.parts.signer));
        match written {
            Ok(()) => {
                tracing::info!("the audit log can be written again");
                shared.tell(&self.head, None);
            }
            Err(error) => shared.tell(&self.head, Some(&error.to_string())),
        }
    }

    fn group(&mut self, group: Group, shared: &Shared) {
        let (entries, waiting): (Vec<Entry>, Vec<_>) = group.into_iter().unzip();
        let written = self.write(entries);
        let problem = written.as_ref().err().map(ToString::to_string);
        if let Some(problem) = &problem {
            tracing::error!(%problem, "the audit log cannot be written: nothing that must be audited is done");
        }
        shared.tell(&self.head, problem.as_deref());
        let first = self.head.seq + 1 - waiting.len() as u64 * u64::from(problem.is_none());
        for (seq, done) in (first..).zip(waiting) {
            // Who does not wait any more does not do it either.
            let _ = done.send(problem.as_ref().map_or(Ok(seq), |problem| Err(Error::Unwritable(problem.clone()))));
        }
    }

    /// All of them, or none.
    fn write(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        self.next_segment_if_full()?;
        let (mut head, mut text) = (self.head.clone(), String::new());
        let count = entries.len() as u64;
        for mut entry in entries {
            let beside = Beside::of(&mut entry)?;
            let (at, sealed) = (self.parts.clock.now(), beside.as_ref().map(Beside::digest));
            let record = Record { seq: head.seq + 1, at, entry, previous: head.hash, sealed };
            (head.seq, head.hash) = (record.seq, record.hash());
            text.push_str(&Line::Record { hash: head.hash, record: Box::new(record), beside }.text());
            text.push('\n');
        }
        let is_due = self.since_checkpoint + count >= self.parts.config.checkpoint_every;
        if is_due {
            text.push_str(&self.checkpoint_of(&head));
        }
        let before = self.length;
        self.add(&text)?;
        if let Err(error) = head::write(&self.parts.directory, &head, &self.parts.signer) {
            // What it says was done is refused.
            self.length = before;
            if let Some(file) = self.file.take() {
                self.take_back(&file);
            }
            return Err(error);
        }
        self.since_checkpoint = if is_due { 0 } else { self.since_checkpoint + count };
        self.head = head;
        Ok(())
    }

    fn write_checkpoint(&mut self) -> io::Result<()> {
        let text = self.checkpoint_of(&self.head);
        self.add(&text)?;
        self.since_checkpoint = 0;
        Ok(())
    }

    fn checkpoint_of(&self, head: &Head) -> String {
        let Head { log, seq, hash } = head.clone();
        let checkpoint = Checkpoint { log, seq, hash, at: self.parts.clock.now() };
        let signature = self.parts.signer.sign(&checkpoint);
        Line::Checkpoint { checkpoint, signature }.text() + "\n"
    }

    /// Adds to the file and waits for the disk. If that fails, what was added is taken back.
    fn add(&mut self, text: &str) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file =
                    OpenOptions::new().write(true).open(segment::path(&self.parts.directory, self.number))?;
                // Behind the last line that is in order, whatever an earlier failure has left.
                file.set_len(self.length)?;
                file.seek(SeekFrom::Start(self.length))?;
                file
            }
        };
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        match written {
            Ok(()) => {
                self.length += text.len() as u64;
                self.file = Some(file);
                Ok(())
            }
            Err(error) => {
                self.take_back(&file);
                Err(error)
            }
        }
    }

    /// What could not be written to its end is not left in the file. If this fails too, it is done before the next is written.
    fn take_back(&self, file: &File) {
        if let Err(error) = file.set_len(self.length) {
            tracing::warn!(%error, "part of a record may be left at the end of the audit log");
        }
    }

    fn next_segment_if_full(&mut self) -> io::Result<()> {
        if self.length < self.parts.config.segment_bytes_max {
            return Ok(());
        }
        self.checkpoint_if_due();
        self.next_segment()
    }

    fn next_segment(&mut self) -> io::Result<()> {
        let number = self.number + 1;
        let path = segment::path(&self.parts.directory, number);
        let Head { log, seq, hash } = self.head.clone();
        let key = self.parts.signer.public();
        let at = self.parts.clock.now();
        let begun = Line::Begun { begun: Begun { log, number, first: seq + 1, previous: hash, key, at } }.text() + "\n";
        let made = make(&path, &begun).and_then(|file| {
            // The name is on the disk only when the directory is.
            File::open(&self.parts.directory)?.sync_all()?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                (self.file, self.number, self.length) = (Some(file), number, begun.len() as u64);
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }
}

fn make(path: &Path, begun: &str) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(begun.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Unwritable(format!("{}: {error}", path.display()))
}

//! A file of log lines that does not grow without end.
//!
//! Nothing is kept in memory that a look at the directory does not tell: after a restart, after somebody moved the file
//! away, and after the disk was full, the next line is written as if nothing had happened.

mod disk;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

pub(crate) use disk::RealDisk;
use disk::{Disk, Opened};

use crate::Error;
use crate::line_writer::Sink;

/// How long a rotation that failed is left alone. Meanwhile the file grows beyond its limit rather than losing lines.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How far files beyond [`Rotation::files_max`] are looked for: as many as there could have been.
const FILES_MAX: u32 = 100;

/// When a log file is closed and the next one begun, and how many closed ones are kept. The newest of those is
/// `<file>.1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rotation {
    /// The size in bytes that a file does not exceed, 65,536 (64 KiB) to 1,073,741,824 (1 GiB). Default 10 MiB. Only a
    /// single line that is longer makes a longer file.
    pub bytes_max: u64,
    /// For how many hours one file is written, 1 to 8,760 (a year), from when it was created. Default 24.
    pub hours_max: u32,
    /// How many closed files are kept, 1 to 100; older ones are removed. Default 7.
    pub files_max: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes_max: 10 * 1024 * 1024, hours_max: 24, files_max: 7 }
    }
}

impl Rotation {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let within = |key, value, least, most| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(Error::Rotation { key, least, most, value }),
        };
        within("bytesMax", self.bytes_max, 64 * 1024, 1 << 30)?;
        within("hoursMax", self.hours_max.into(), 1, 8_760)?;
        within("filesMax", self.files_max.into(), 1, FILES_MAX.into())
    }

    fn age_max(&self) -> Duration {
        Duration::from_secs(u64::from(self.hours_max) * 3_600)
    }
}

/// Where lines are appended.
pub(crate) struct LogFile<D: Disk = RealDisk> {
    disk: D,
    path: PathBuf,
    rotation: Rotation,
    opened: Option<Opened<D::File>>,
    /// No rotation is tried before this, because one failed.
    rests_until: Option<SystemTime>,
}

impl LogFile {
    /// Opens the file, or makes it (mode 0600).
    pub(crate) fn open(path: &Path, rotation: &Rotation) -> io::Result<Self> {
        Self::on(RealDisk, path, rotation)
    }
}

impl<D: Disk> LogFile<D> {
    fn on(disk: D, path: &Path, rotation: &Rotation) -> io::Result<Self> {
        let opened = Some(disk.open(path)?);
        Ok(Self { disk, path: path.to_owned(), rotation: rotation.clone(), opened, rests_until: None })
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let mut opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.disk.open(&self.path)?,
        };
        if self.is_due(&opened, line.len()) {
            opened = self.rotate(opened)?;
        }
        if opened.is_torn {
            opened.file.write_all(b"\n")?;
            opened.bytes += 1;
            opened.is_torn = false;
        }
        // On failure the file stays closed: how much of the line is in it is seen when it is opened again.
        opened.file.write_all(line.as_bytes())?;
        opened.bytes += line.len() as u64;
        self.opened = Some(opened);
        Ok(())
    }

    fn is_due(&self, opened: &Opened<D::File>, more: usize) -> bool {
        let now = self.disk.now();
        if opened.bytes == 0 || self.rests_until.is_some_and(|until| now < until) {
            return false;
        }
        // A clock that was set back makes no file old.
        let age = now.duration_since(opened.begun).unwrap_or_default();
        opened.bytes + more as u64 > self.rotation.bytes_max || age >= self.rotation.age_max()
    }

    /// Closes the file and begins the next one. If that is not possible, the old one is gone on with.
    fn rotate(&mut self, opened: Opened<D::File>) -> io::Result<Opened<D::File>> {
        let kept = self.rotation.files_max;
        let moved = (1..kept)
            .rev()
            .try_for_each(|number| self.shift(number))
            .and_then(|()| self.disk.rename(&self.path, &self.closed(1)));
        if moved.is_err() {
            self.rests_until = Some(self.disk.now() + RETRY_AFTER);
            return Ok(opened);
        }
        self.rests_until = None;
        // There are some if the limit was lowered. One that cannot be removed is in nobody's way.
        let _ = (kept + 1..=FILES_MAX).try_for_each(|number| self.disk.remove(&self.closed(number)));
        drop(opened);
        self.disk.open(&self.path)
    }

    fn shift(&self, number: u32) -> io::Result<()> {
        match self.disk.rename(&self.closed(number), &self.closed(number + 1)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            moved => moved,
        }
    }

    fn closed(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl<D: Disk + Send + 'static> Sink for LogFile<D> {
    fn put(&mut self, line: &str) -> io::Result<()> {
        self.append(line)
    }

    /// Lets go of a file that was moved away or removed, so that the next line makes a new one.
    fn look(&mut self) {
        let here = self.disk.identity(&self.path);
        self.opened.take_if(|opened| Some(opened.identity) != here);
    }
}

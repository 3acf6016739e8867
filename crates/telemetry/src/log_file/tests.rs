use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;

const SMALL: Rotation = Rotation { bytes_max: 64, hours_max: 1, files_max: 3 };

/// The real one, which can be made full, and whose time is ours.
#[derive(Clone, Default)]
struct Moody {
    is_full: Arc<AtomicBool>,
    hours: Arc<AtomicU64>,
}

struct MoodyFile {
    file: File,
    is_full: Arc<AtomicBool>,
}

impl io::Write for MoodyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A disk gets full in the middle of a line.
        match (self.is_full.load(Ordering::Relaxed), bytes.len()) {
            (true, 0..=1) => Err(io::ErrorKind::StorageFull.into()),
            (true, length) => self.file.write(&bytes[..length / 2]),
            (false, _) => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Moody {
    type File = MoodyFile;

    fn open(&self, path: &Path) -> io::Result<Opened<MoodyFile>> {
        let Opened { file, bytes, begun, identity, is_torn } = RealDisk.open(path)?;
        Ok(Opened { file: MoodyFile { file, is_full: self.is_full.clone() }, bytes, begun, identity, is_torn })
    }

    fn identity(&self, path: &Path) -> Option<(u64, u64)> {
        RealDisk.identity(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn now(&self) -> SystemTime {
        RealDisk.now() + Duration::from_secs(3_600 * self.hours.load(Ordering::Relaxed))
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    PathBuf::from(format!("{}.{number}", path.display()))
}

/// All that is left, oldest first.
fn everything(path: &Path) -> Vec<String> {
    let closed = (1..=10).rev().map(|number| numbered(path, number));
    closed.chain([path.to_owned()]).filter_map(|path| fs::read_to_string(path).ok()).collect()
}

#[derive(Debug, Clone)]
enum Happens {
    Line(usize),
    Restart,
    MovedAway,
    Full(bool),
    Hour,
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let one = prop_oneof![
        8 => (0usize..80).prop_map(Happens::Line),
        1 => Just(Happens::Restart),
        1 => Just(Happens::MovedAway),
        1 => any::<bool>().prop_map(Happens::Full),
        1 => Just(Happens::Hour),
    ];
    prop::collection::vec(one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: files keep to their sizes, modes and number, and of the lines that were taken the newest are
    /// there, whole, once and in order.
    #[test]
    fn lines_that_were_taken_are_in_the_files_in_order(happenings in happenings()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let disk = Moody::default();
        let mut file = LogFile::on(disk.clone(), &path, &SMALL).unwrap();
        let (mut taken, mut moved) = (Vec::new(), 0);
        for (number, happens) in happenings.into_iter().enumerate() {
            match happens {
                Happens::Line(length) => {
                    let line = format!("<{number}{}>\n", ".".repeat(length));
                    file.look();
                    if file.put(&line).is_ok() {
                        taken.push(line);
                    }
                }
                Happens::Restart => file = LogFile::on(disk.clone(), &path, &SMALL).unwrap(),
                Happens::MovedAway if path.exists() => {
                    fs::rename(&path, directory.path().join(format!("away-{moved}"))).unwrap();
                    moved += 1;
                    // Its lines are somebody else's now.
                    taken.clear();
                    (1..=10).for_each(|number| drop(fs::remove_file(numbered(&path, number))));
                }
                Happens::MovedAway => {}
                Happens::Full(is_full) => disk.is_full.store(is_full, Ordering::Relaxed),
                Happens::Hour => drop(disk.hours.fetch_add(1, Ordering::Relaxed)),
            }
        }
        let files = everything(&path);
        prop_assert!(files.len() <= 4, "{files:?}");
        let mut read: Vec<String> = Vec::new();
        for text in &files {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            prop_assert!(text.len() <= 64 || lines.iter().any(|line| line.len() > 32), "{text}");
            // Torn by the full disk: not taken.
            let whole = lines.into_iter().filter(|line| line.starts_with('<') && line.ends_with(">\n"));
            read.extend(whole.map(str::to_owned));
        }
        prop_assert!(taken.ends_with(&read), "taken {taken:?}, read {read:?}");
        prop_assert!(files.len() == 4 || read == taken, "nothing was rotated out: taken {taken:?}, read {read:?}");
        for file in fs::read_dir(directory.path()).unwrap() {
            prop_assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn an_old_file_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let disk = Moody::default();
    let mut file = LogFile::on(disk.clone(), &path, &SMALL).unwrap();
    file.put("one\n").unwrap();
    disk.hours.store(2, Ordering::Relaxed);
    file.put("two\n").unwrap();
    assert_eq!(everything(&path), ["one\n", "two\n"]);
}

#[test]
fn a_file_that_others_can_read_is_closed_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    fs::write(&path, "half a li").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    LogFile::open(&path, &Rotation::default()).unwrap().put("next\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "half a li\nnext\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_rotation_that_fails_loses_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    // A directory with something in it cannot be replaced by a file.
    fs::create_dir_all(numbered(&path, 1).join("full")).unwrap();
    fs::create_dir_all(numbered(&path, 2).join("full")).unwrap();
    let once = Rotation { files_max: 1, ..SMALL };
    let mut file = LogFile::open(&path, &once).unwrap();
    for _ in 0..10 {
        file.put("twenty letters line\n").unwrap();
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), 200);
}

#[test]
fn fewer_files_are_kept_when_the_limit_is_lowered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let line = format!("{}\n", "x".repeat(60));
    let mut file = LogFile::open(&path, &SMALL).unwrap();
    (0..6).for_each(|_| file.put(&line).unwrap());
    assert_eq!(everything(&path).len(), 4);
    let mut file = LogFile::open(&path, &Rotation { files_max: 1, ..SMALL }).unwrap();
    file.put(&line).unwrap();
    assert_eq!(everything(&path).len(), 2);
}

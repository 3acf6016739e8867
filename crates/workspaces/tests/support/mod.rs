//! Sources in temporary directories, and workspaces over them.
#![allow(dead_code, reason = "each test file uses some of them")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use orchestrator_events::{Log, MemoryLog};
use orchestrator_vocab::{Actor, OrgId, SessionId, SystemClock};
use orchestrator_workspaces::{
    Activity, Choice, Config, Error, MemoryStore, Merged, Mode, Parts, Status, Store, Workspace, Workspaces,
};
use tempfile::TempDir;

pub(crate) const LOCAL: OrgId = OrgId::LOCAL;

/// Everybody is at work, or nobody.
#[derive(Debug, Default)]
pub(crate) struct Work(AtomicBool);

#[async_trait]
impl Activity for Work {
    async fn is_active(&self, _: OrgId, _: SessionId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) workspaces: Workspaces,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) work: Arc<Work>,
    parts: Mutex<Parts>,
}

impl Fixture {
    /// With an empty directory as source `main`.
    pub(crate) fn new(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().canonicalize().unwrap().join("source");
        std::fs::create_dir(&source).unwrap();
        let log = Arc::new(MemoryLog::default());
        let store = Arc::new(MemoryStore::new(log.clone()));
        let work = Arc::new(Work::default());
        let mut config = config;
        config.sources.insert("main".parse().unwrap(), source);
        let parts = Parts {
            store: store.clone(),
            activity: work.clone(),
            clock: Arc::new(SystemClock),
            node: "n1".into(),
            owner: "workspaces-tests".into(),
            root: directory.path().join("workspaces"),
            keep_out: vec![],
            config,
        };
        let workspaces = Workspaces::open(parts.clone()).unwrap();
        Self { directory, workspaces, store, log, work, parts: Mutex::new(parts) }
    }

    /// With a repository of one commit as source.
    pub(crate) fn repository() -> Self {
        let fixture = Self::new(Config::default());
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture.write("a.txt", "one\ntwo\nthree\n");
        fixture.write("b.txt", "b\n");
        fixture.commit("first");
        fixture
    }

    /// As another daemon, or this one after a restart, sees them.
    pub(crate) fn again(&self, node: &str) -> Workspaces {
        let parts = self.parts.lock().unwrap().clone();
        Workspaces::open(Parts { node: node.into(), ..parts }).unwrap()
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join("source")
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        write(&self.source(), path, text);
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.source().join(path)).ok()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.source(), args)
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Everything a merge could disturb.
    pub(crate) fn state(&self) -> (String, String) {
        (self.git(&["rev-parse", "HEAD"]), self.git(&["status", "--porcelain"]))
    }

    pub(crate) async fn try_prepare(&self, mode: Option<Mode>) -> Result<Workspace, Error> {
        let choice = Choice { source: Some("main".parse().unwrap()), mode };
        self.workspaces.prepare(LOCAL, SessionId::new(), choice).await
    }

    pub(crate) async fn prepare(&self, mode: Option<Mode>) -> Workspace {
        self.try_prepare(mode).await.unwrap()
    }

    pub(crate) async fn again_for(&self, workspaces: &Workspaces, session: SessionId) -> Result<Workspace, Error> {
        let choice = Choice { source: Some("main".parse().unwrap()), mode: None };
        workspaces.prepare(LOCAL, session, choice).await
    }

    pub(crate) async fn merge(&self, session: SessionId) -> Result<Merged, Error> {
        self.workspaces.merge(LOCAL, session, None, Actor::User("alice".into())).await
    }

    pub(crate) async fn discard(&self, session: SessionId) -> Result<Workspace, Error> {
        self.workspaces.discard(LOCAL, session, Actor::User("alice".into())).await
    }

    pub(crate) fn at_work(&self, at_work: bool) {
        self.work.0.store(at_work, Ordering::SeqCst);
    }

    pub(crate) async fn status(&self, session: SessionId) -> Status {
        self.workspaces.get(LOCAL, session).await.unwrap().status
    }

    pub(crate) async fn events(&self) -> Vec<String> {
        self.log.read(LOCAL, 0, 100).await.unwrap().iter().map(|event| event.name.to_string()).collect()
    }
}

pub(crate) fn write(root: &Path, path: &str, text: &str) {
    let whole = root.join(path);
    std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
    std::fs::write(whole, text).unwrap();
}

/// As a person would call it, without the person's own configuration.
pub(crate) fn git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Alice", "-c", "user.email=alice@example.org", "-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    assert!(output.status.success(), "git {args:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[track_caller]
pub(crate) fn conflicts<T: std::fmt::Debug>(outcome: Result<T, Error>, expected: &[&str]) {
    match outcome {
        Err(Error::Conflicts { paths }) => assert_eq!(paths, expected),
        other => panic!("expected conflicts in {expected:?}: {other:?}"),
    }
}

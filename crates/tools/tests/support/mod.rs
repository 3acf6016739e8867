#![expect(clippy::unwrap_used, reason = "what cannot be set up is a test that fails")]
#![allow(dead_code, reason = "each test file uses its part")]

#[cfg(feature = "http")]
pub(crate) mod server;

use std::path::Path;
use std::sync::Arc;

use orchestrator_tools::{Call, Config, Context, Error, Mint, Output, Registry, Tool};
use orchestrator_transcript::ToolResultPart;
use orchestrator_vocab::{Actor, OrgId};
use serde_json::Value;
use tempfile::TempDir;

/// A registry with a workspace and, beside it, what must not be reached.
pub(crate) struct Bench {
    registry: Registry,
    mint: Mint,
    root: TempDir,
}

impl Bench {
    pub(crate) fn new(tools: Vec<Arc<dyn Tool>>) -> Self {
        let (registry, mint) = Registry::new(Config::default());
        registry.replace("builtin", tools).unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("work")).unwrap();
        std::fs::create_dir(root.path().join("outside")).unwrap();
        std::fs::write(root.path().join("outside/secret"), "the secret\n").unwrap();
        Self { registry, mint, root }
    }

    pub(crate) fn workspace(&self) -> std::path::PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn outside(&self) -> std::path::PathBuf {
        self.root.path().join("outside")
    }

    /// With its directories.
    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.workspace().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, path: &str) -> &Self {
        std::os::unix::fs::symlink(target, self.workspace().join(path)).unwrap();
        self
    }

    pub(crate) fn content(&self, path: &str) -> String {
        std::fs::read_to_string(self.workspace().join(path)).unwrap()
    }

    pub(crate) fn context(&self) -> Context {
        let mut context = Context::new(OrgId::LOCAL, Actor::User("ada".into()), "1");
        context.workspace = Some(self.workspace());
        context
    }

    pub(crate) async fn call_in(&self, context: Context, tool: &str, arguments: Value) -> Result<Output, Error> {
        let call = Call { tool: tool.parse().unwrap(), arguments, context };
        self.registry.call(self.mint.permit(call)).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Output, Error> {
        self.call_in(self.context(), tool, arguments).await
    }

    pub(crate) async fn said(&self, tool: &str, arguments: Value) -> String {
        text(&self.call(tool, arguments).await.unwrap())
    }

    #[track_caller]
    pub(crate) fn check_refused(&self, result: Result<Output, Error>) {
        match result {
            Err(Error::Refused(_)) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(std::fs::read_to_string(self.outside().join("secret")).unwrap(), "the secret\n");
        assert_eq!(std::fs::read_dir(self.outside()).unwrap().count(), 1);
    }
}

pub(crate) fn text(output: &Output) -> String {
    let texts = output.content.iter().map(|part| match part {
        ToolResultPart::Text { text } => text.as_str(),
        other => panic!("{other:?}"),
    });
    texts.collect()
}

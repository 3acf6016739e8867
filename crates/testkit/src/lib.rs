#![doc = include_str!("../README.md")]

mod agents;
mod binary;
mod builder;
mod daemon;
mod http;
mod output;
mod patience;
mod ran;
mod socket;
mod tokens;

pub use agents::shell;
pub use binary::path as program;
pub use builder::{Builder, Ended};
pub use daemon::Daemon;
pub use http::{Http, Reply};
pub use orchestrator_sql::{Backend, Scratch};
pub use patience::{PATIENCE, patiently};
pub use ran::Ran;
pub use socket::{Event, Gone, Socket, Unopened};
pub use tokens::Organisation;

/// One test per promise and backend: each function takes a [`Backend`] and answers `anyhow::Result<()>`.
#[macro_export]
macro_rules! on_both_backends {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() -> anyhow::Result<()> {
                Box::pin(super::$promise($crate::Backend::Sqlite)).await
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $promise() -> anyhow::Result<()> {
                Box::pin(super::$promise($crate::Backend::Postgres)).await
            })*
        }
    };
}

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Lines kept of a program that prints for hours.
const LINES_MAX: usize = 200_000;
pub(crate) const LISTENING: &str = "listening on ";

/// What a daemon has printed so far, on both streams.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    url: watch::Sender<Option<String>>,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { lines: Arc::default(), url: watch::Sender::new(None) }
    }

    /// Reads a stream to its end.
    pub(crate) fn follow(&self, stream: impl AsyncRead + Unpin + Send + 'static, readers: &mut JoinSet<()>) {
        let output = self.clone();
        readers.spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                output.push(line);
            }
        });
    }

    /// The address the daemon printed; pends for ever if it never does.
    pub(crate) async fn url(&self) -> String {
        let mut url = self.url.subscribe();
        let found = url.wait_for(Option::is_some).await.map(|url| url.clone());
        found.ok().flatten().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The last lines.
    pub(crate) fn end(&self, lines: usize) -> String {
        let all = self.lines();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn push(&self, line: String) {
        if let Some((_, rest)) = line.split_once(LISTENING)
            && rest.starts_with("http")
        {
            let url = rest.split_whitespace().next().unwrap_or(rest);
            self.url.send_replace(Some(url.trim_end_matches('/').to_owned()));
        }
        let mut lines = self.lines();
        if lines.len() < LINES_MAX {
            lines.push(line);
        }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use orchestrator_redact::Redactor;
use reqwest::header::HeaderMap;
use reqwest::{Body, Client, Request, Response};
use serde::Serialize;

use super::format::{Answered, Asked, End, Exchange, Header, Outcome, Piece};
use super::{CassetteError, OnLoss, secrets};
use crate::ProviderError;
use crate::http::client::execute;

/// The longest answer that is written; of longer ones nothing is: 32 MiB.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Headers of answers that are written; and those that begin so.
const HEADERS: [&str; 7] = [
    "content-type",
    "request-id",
    "x-request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "openai-processing-ms",
];
const LIMITS: [&str; 2] = ["anthropic-ratelimit-", "x-ratelimit-"];

/// Writes exchanges down. Writing waits for the disk: it is for tests and for finding faults.
pub(super) struct Recorder {
    path: PathBuf,
    file: Mutex<File>,
    redactor: Redactor,
    on_loss: OnLoss,
}

impl Recorder {
    pub(super) fn open(path: &Path, redactor: Redactor, on_loss: OnLoss) -> Result<Self, CassetteError> {
        let failed = |source| CassetteError::Io { path: path.to_owned(), source };
        let mut file = create(path).map_err(failed)?;
        let mut written = String::new();
        file.read_to_string(&mut written).map_err(failed)?;
        // What a crash left of its last line.
        let whole = written.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(failed)?;
        match written[..whole].lines().next() {
            Some(line) => Header::check(path, line)?,
            None => append(&mut file, &Header::own()).map_err(failed)?,
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), redactor, on_loss })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) async fn exchange(
        self: &Arc<Self>,
        client: Client,
        request: Request,
    ) -> Result<Response, ProviderError> {
        let asked = Asked::of(&request, &self.redactor);
        match execute(client, request).await {
            Ok(response) => Ok(self.listened(asked, response)),
            Err(error) => {
                let message = self.redactor.redact(&error.message).into_owned();
                self.write(&Exchange { request: asked, outcome: Outcome::Failure { kind: error.kind, message } });
                Err(error)
            }
        }
    }

    /// The same answer, which is written when it ends.
    fn listened(self: &Arc<Self>, asked: Asked, response: Response) -> Response {
        let (status, headers) = (response.status(), response.headers().clone());
        let listening = Listening {
            recorder: self.clone(),
            asked: Some(asked),
            status: status.as_u16(),
            headers: safe(&headers, &self.redactor),
            heard: Vec::new(),
            is_too_long: false,
            body: response.bytes_stream().map(|chunk| chunk.map_err(reqwest::Error::without_url)).boxed(),
        };
        let mut heard = ::http::Response::new(Body::wrap_stream(listening));
        *heard.status_mut() = status;
        *heard.headers_mut() = headers;
        Response::from(heard)
    }

    fn write(&self, exchange: &Exchange) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(source) = append(&mut file, exchange) {
            (self.on_loss)(&CassetteError::Io { path: self.path.clone(), source });
        }
    }

    fn withheld(&self, asked: &Asked, problem: &'static str) {
        (self.on_loss)(&CassetteError::Withheld { path: self.path.clone(), request: asked.line(), problem });
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// One line in one write, so that a crash leaves at most one that is torn.
fn append(file: &mut File, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.seek(io::SeekFrom::End(0))?;
    file.write_all(&line)
}

fn safe(headers: &HeaderMap, redactor: &Redactor) -> BTreeMap<String, String> {
    let is_safe = |name: &str| HEADERS.contains(&name) || LIMITS.iter().any(|begin| name.starts_with(begin));
    let written = headers.iter().filter(|(name, _)| is_safe(name.as_str()));
    written
        .filter_map(|(name, value)| Some((name.to_string(), redactor.redact(value.to_str().ok()?).into_owned())))
        .collect()
}

/// An answer on its way to whoever asked.
struct Listening {
    recorder: Arc<Recorder>,
    asked: Option<Asked>,
    status: u16,
    headers: BTreeMap<String, String>,
    heard: Vec<u8>,
    is_too_long: bool,
    body: BoxStream<'static, Result<Bytes, reqwest::Error>>,
}

impl Listening {
    fn end(&mut self, end: End) {
        let Some(asked) = self.asked.take() else { return };
        let hidden = match self.is_too_long {
            true => Err("the answer is too long"),
            false => secrets::hidden(&self.heard, &self.recorder.redactor),
        };
        let (body, end) = match hidden {
            Ok(bytes) => (pieces(&bytes), end),
            Err(problem) => {
                self.recorder.withheld(&asked, problem);
                (Vec::new(), End::Withheld)
            }
        };
        let answered = Answered { status: self.status, headers: std::mem::take(&mut self.headers), body, end };
        self.recorder.write(&Exchange { request: asked, outcome: Outcome::Response(answered) });
    }
}

impl Stream for Listening {
    type Item = Result<Bytes, reqwest::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.body.poll_next_unpin(context);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) if self.heard.len() + chunk.len() > ANSWER_BYTES_MAX => {
                self.is_too_long = true
            }
            Poll::Ready(Some(Ok(chunk))) => self.heard.extend_from_slice(chunk),
            Poll::Ready(Some(Err(_))) => self.end(End::Broken),
            Poll::Ready(None) => self.end(End::Whole),
            Poll::Pending => {}
        }
        polled
    }
}

/// Nobody wants the rest.
impl Drop for Listening {
    fn drop(&mut self) {
        self.end(End::Abandoned);
    }
}

/// After each empty line, which ends an event.
fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let (mut pieces, mut begin) = (Vec::new(), 0);
    for end in 1..bytes.len() {
        if end > begin && bytes[end - 1] == b'\n' && bytes[end] == b'\n' {
            pieces.push(Piece::of(&bytes[begin..=end]));
            begin = end + 1;
        }
    }
    if begin < bytes.len() {
        pieces.push(Piece::of(&bytes[begin..]));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_events_and_make_the_whole() {
        let whole = b"data: 1\n\ndata: \xff\n\n\n\nrest";
        let cut = pieces(whole);
        assert_eq!(cut.len(), 4);
        assert!(matches!((&cut[0], &cut[1]), (Piece::Text(_), Piece::Bytes { .. })));
        assert_eq!(cut.iter().flat_map(|piece| piece.bytes().unwrap()).collect::<Vec<u8>>(), whole);
    }
}

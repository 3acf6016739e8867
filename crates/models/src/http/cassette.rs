//! Exchanges with providers, recorded and played back.

mod difference;
mod format;
mod record;
mod replay;
mod secrets;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orchestrator_redact::Redactor;
use reqwest::{Client, Request, Response};
use secrecy::SecretString;

use crate::ProviderError;
use format::Asked;
use record::Recorder;
use replay::Replayer;

/// Exchanges of one provider in one file: recorded while they happen, or played back instead of asking anybody. Cheap to clone.
///
/// The file is JSON Lines, read and written by its owner only. The first line names the format and its version; each other one is
/// an exchange in the order of their ends:
///
/// ```json
/// {"format":"orchestrator-cassette","version":1}
/// {"request":{"method":"POST","path":"/v1/messages","digest":"sha256:…","body":{…}},
///  "response":{"status":200,"headers":{"content-type":"text/event-stream"},"body":["event: …\n\n","…"],"end":"whole"}}
/// {"request":{…},"failure":{"kind":"connection","message":"the provider cannot be reached"}}
/// ```
///
/// (each on one line). `digest` is that of method, path with query, and body, without secrets and without what names the end user
/// (`user`, `metadata`, `safety_identifier`, `prompt_cache_key`): neither the host nor a header is part of it. `body` is what came, in
/// pieces that are texts, or `{"base64": …}` where it is no UTF-8. `end` is `whole`, `broken` (the connection broke), `abandoned`
/// (nobody wanted the rest) or `withheld`.
///
/// No header of a request is written, and of an answer only those that say what kind it is, whether and when to try again, what is
/// left of a limit, and the provider's id. Secrets that the redactor finds are replaced; if an answer says one in several pieces, none
/// of it is written, and `end` is `withheld`.
#[derive(Clone)]
pub struct Cassette(Arc<Mode>);

/// Told of what could not be recorded; the exchange itself goes on.
pub type OnLoss = Arc<dyn Fn(&CassetteError) + Send + Sync>;

enum Mode {
    Record(Arc<Recorder>),
    Replay(Replayer),
}

/// A cassette cannot be opened, or an exchange is not on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CassetteError {
    /// Look at the file and its folder: permissions, space.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Record it again, with this version.
    #[error("{}, line {line}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Nothing of this answer was written.
    #[error("{}: {request}: {problem}", path.display())]
    Withheld {
        /// The file.
        path: PathBuf,
        /// Its method and path.
        request: String,
        /// Why.
        problem: &'static str,
    },
}

impl Cassette {
    /// Appends every exchange to the file, which is made if it is not there (with its folder). What `redactor` finds is not written;
    /// what is lost is told to `on_loss`.
    ///
    /// # Errors
    /// If the file cannot be written, or is not a cassette of this version.
    pub fn record(path: &Path, redactor: Redactor, on_loss: OnLoss) -> Result<Self, CassetteError> {
        let recorder = Recorder::open(path, redactor, on_loss)?;
        Ok(Self(Arc::new(Mode::Record(Arc::new(recorder)))))
    }

    /// Answers with what is in the file, each exchange once and in its order; requests that only read (`GET`) are answered again and
    /// again with the last one. Nobody is asked. What was not recorded is refused with
    /// [`ErrorKind::NotRecorded`](crate::ErrorKind::NotRecorded), and with what differs least.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a cassette of this version.
    pub fn replay(path: &Path, redactor: Redactor) -> Result<Self, CassetteError> {
        Ok(Self(Arc::new(Mode::Replay(Replayer::open(path, redactor)?))))
    }

    /// One more secret that is not to be written: the key of the provider. What is shorter than a redactor looks for is not found.
    pub fn hide(&self, secret: &SecretString) {
        let redactor = match &*self.0 {
            Mode::Record(recorder) => recorder.redactor(),
            Mode::Replay(replayer) => replayer.redactor(),
        };
        redactor.add("model-key", secret).ok();
    }

    pub(super) async fn exchange(&self, client: Client, request: Request) -> Result<Response, ProviderError> {
        match &*self.0 {
            Mode::Record(recorder) => recorder.exchange(client, request).await,
            Mode::Replay(replayer) => replayer.answer(&Asked::of(&request, replayer.redactor())),
        }
    }
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mode, path) = match &*self.0 {
            Mode::Record(recorder) => ("record", recorder.path()),
            Mode::Replay(replayer) => ("replay", replayer.path()),
        };
        f.debug_struct("Cassette").field("mode", &mode).field("path", &path).finish()
    }
}

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::stream;
use orchestrator_redact::Redactor;
use reqwest::{Body, Response};

use super::CassetteError;
use super::difference::Difference;
use super::format::{Answered, Asked, End, Exchange, Header, Outcome};
use crate::{ErrorKind, ProviderError};

/// The longest file that is read: 1 GiB.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Plays exchanges back.
pub(super) struct Replayer {
    path: PathBuf,
    redactor: Redactor,
    /// With the number of its line.
    exchanges: Vec<(usize, Exchange)>,
    /// By digest, in their order.
    places: BTreeMap<String, Vec<usize>>,
    /// How often each digest was asked.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Replayer {
    pub(super) fn open(path: &Path, redactor: Redactor) -> Result<Self, CassetteError> {
        let text = read(path).map_err(|source| CassetteError::Io { path: path.to_owned(), source })?;
        Header::check(path, text.lines().next().unwrap_or_default())?;
        // A crash may have torn the last line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let (mut exchanges, mut places): (Vec<_>, BTreeMap<String, Vec<usize>>) = Default::default();
        for (number, line) in (1..).zip(text[..whole].lines()).skip(1) {
            let wrong = |problem: String| CassetteError::Format { path: path.to_owned(), line: number, problem };
            let exchange: Exchange = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            if let Outcome::Response(Answered { body, .. }) = &exchange.outcome
                && body.iter().any(|piece| piece.bytes().is_err())
            {
                return Err(wrong("response.body: expected base64".to_owned()));
            }
            places.entry(exchange.request.digest.clone()).or_default().push(exchanges.len());
            exchanges.push((number, exchange));
        }
        Ok(Self { path: path.to_owned(), redactor, exchanges, places, asked: Mutex::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) fn answer(&self, asked: &Asked) -> Result<Response, ProviderError> {
        let Some(places) = self.places.get(&asked.digest) else {
            return Err(self.unknown(format!("{} as it is asked now; {}", asked.line(), self.nearest(asked))));
        };
        let turn = {
            let mut counts = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(asked.digest.clone()).or_default();
            *count += 1;
            *count - 1
        };
        let last = places.last().filter(|_| asked.only_reads());
        let Some(place) = places.get(turn).or(last) else {
            let lines: Vec<String> = places.iter().map(|place| self.exchanges[*place].0.to_string()).collect();
            let lines = lines.join(", ");
            return Err(self.unknown(format!("{} once more than the {turn} times of line {lines}", asked.line())));
        };
        let (line, exchange) = &self.exchanges[*place];
        match &exchange.outcome {
            Outcome::Failure { kind, message } => Err(ProviderError::new(*kind, message.clone())),
            Outcome::Response(Answered { end: End::Withheld, .. }) => {
                Err(self.unknown(format!("the answer to {} in line {line}, which was withheld", asked.line())))
            }
            Outcome::Response(answered) => response(answered),
        }
    }

    fn unknown(&self, what: String) -> ProviderError {
        ProviderError::new(ErrorKind::NotRecorded, format!("{} does not have {what}", self.path.display()))
    }

    /// What differs least from what is asked.
    fn nearest(&self, asked: &Asked) -> String {
        let same = |(_, exchange): &&(usize, Exchange)| exchange.request.line() == asked.line();
        let compared = self.exchanges.iter().filter(same).map(|(line, exchange)| {
            let difference = Difference::between(&exchange.request.body, &asked.body);
            (line, difference)
        });
        match compared.min_by_key(|(_, difference)| difference.places) {
            Some((line, Difference { places, first: Some((at, recorded, now)) })) => {
                format!(
                    "line {line} differs least, in {places} places, first at {at}: recorded {recorded}, asked {now}"
                )
            }
            Some((line, _)) => format!("line {line} has the same body and another digest"),
            None => {
                let mut known: Vec<String> = self.exchanges.iter().map(|(_, found)| found.request.line()).collect();
                known.sort();
                known.dedup();
                known.truncate(10);
                format!("it has {}", if known.is_empty() { "nothing".to_owned() } else { known.join(", ") })
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is longer than 1 GiB"));
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn response(answered: &Answered) -> Result<Response, ProviderError> {
    let mut pieces: Vec<io::Result<Bytes>> =
        answered.body.iter().map(|piece| piece.bytes().map_err(io::Error::other)).collect();
    if answered.end != End::Whole {
        pieces.push(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the connection broke here")));
    }
    let mut response = ::http::Response::builder().status(answered.status);
    for (name, value) in &answered.headers {
        response = response.header(name, value);
    }
    let response = response.body(Body::wrap_stream(stream::iter(pieces)));
    let wrong = |error: ::http::Error| ProviderError::new(ErrorKind::NotRecorded, error.to_string());
    response.map(Response::from).map_err(wrong)
}

use std::fmt;
use std::io;

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::StreamReader;

use crate::Error;

/// How much of a body is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// The head of an answer; its body is read in pieces, within the bytes and the time that are left for it.
pub struct Answer {
    /// Such as 200. Whether that is a success is the caller's to say.
    pub status: u16,
    /// Where it came from in the end, after redirects.
    pub url: String,
    /// In lowercase, as they came; bytes that are no UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    body: Box<dyn AsyncRead + Send + Unpin>,
    left: usize,
    limits: Limits,
}

/// An answer with its body.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Such as 200. Whether that is a success is the caller's to say.
    pub status: u16,
    /// Where it came from in the end, after redirects.
    pub url: String,
    /// In lowercase, as they came; bytes that are no UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// Unpacked.
    pub body: Bytes,
}

/// What an answer is held to, and who is named when it does not keep to it.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) host: String,
    pub(crate) bytes_max: usize,
    pub(crate) deadline: Instant,
    pub(crate) timeout_ms: u64,
}

/// More came than may.
#[derive(Debug, thiserror::Error)]
#[error("too much")]
struct TooMuch;

impl Answer {
    pub(crate) fn new(response: reqwest::Response, has_body: bool, limits: Limits) -> Result<Self, Error> {
        let status = response.status().as_u16();
        let encoding = encoding(response.headers());
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let (headers, url) = (headers.collect(), response.url().to_string());
        let is_empty = !has_body || matches!(status, 204 | 304) || response.content_length() == Some(0);
        let body: Box<dyn AsyncRead + Send + Unpin> = match encoding.as_str() {
            _ if is_empty => Box::new(tokio::io::empty()),
            "" | "identity" => Box::new(packed(response, limits.bytes_max)),
            "gzip" | "x-gzip" => {
                let mut unpacked = GzipDecoder::new(packed(response, limits.bytes_max));
                unpacked.multiple_members(true);
                Box::new(unpacked)
            }
            _ => return Err(Error::Encoding { host: limits.host, encoding }),
        };
        Ok(Self { status, url, headers, body, left: limits.bytes_max, limits })
    }

    /// The first header of this lowercase name.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// The next piece of the body, unpacked, of up to 16 KiB; `None` at its end.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TimedOut`], [`Error::Broken`]. What came before stays valid.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let read = timeout_at(self.limits.deadline, self.body.read_buf(&mut chunk)).await;
        let read = read.map_err(|_| self.limits.timed_out())?.map_err(|error| self.limits.broken(error))?;
        self.left = self.left.checked_sub(read).ok_or_else(|| self.limits.too_large())?;
        Ok((read > 0).then(|| chunk.freeze()))
    }

    /// The whole of it.
    ///
    /// # Errors
    /// As [`Answer::chunk`].
    pub async fn collect(mut self) -> Result<Response, Error> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: self.status, url: self.url, headers: self.headers, body: body.freeze() })
    }
}

impl Response {
    /// The first header of this lowercase name.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }
}

impl Limits {
    pub(crate) fn timed_out(&self) -> Error {
        Error::TimedOut { host: self.host.clone(), timeout_ms: self.timeout_ms }
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { host: self.host.clone(), bytes_max: self.bytes_max }
    }

    fn broken(&self, error: io::Error) -> Error {
        if error.get_ref().is_some_and(|error| error.is::<TooMuch>()) {
            return self.too_large();
        }
        Error::Broken { host: self.host.clone(), source: error.into() }
    }
}

/// The body as it comes. It is counted here as well: what unpacks to nothing must end, too.
fn packed(response: reqwest::Response, bytes_max: usize) -> impl AsyncBufRead + Send + Unpin {
    let mut left = bytes_max;
    let stream = response.bytes_stream().map_err(|error| io::Error::other(error.without_url()));
    let counted = stream.map(move |chunk| {
        let chunk = chunk?;
        left = left.checked_sub(chunk.len()).ok_or_else(|| io::Error::other(TooMuch))?;
        Ok::<Bytes, io::Error>(chunk)
    });
    StreamReader::new(Box::pin(counted))
}

/// In lowercase; several are kept together and match nothing that is known.
fn encoding(headers: &HeaderMap) -> String {
    let all: Vec<_> =
        headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    all.join(", ").trim().to_ascii_lowercase().chars().take(64).collect()
}

fn first<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("host", &self.limits.host).finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

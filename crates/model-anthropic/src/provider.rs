use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_models::http::{self, Cassette};
use orchestrator_models::{ChatStream, ErrorKind, ListedModel, Provider, ProviderError, Request};
use orchestrator_vocab::Clock;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::answer::Reader;
use crate::ask::Writer;
use crate::running::Running;
use crate::wire::{Body, Counted, ModelsPage};
use crate::{Config, Error, failure};

/// The header with the provider's id of a request.
const REQUEST_ID: &str = "request-id";
/// The most bytes of a request that the protocol takes: 32 MB. More is refused here, before it is sent.
const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many models are asked for at once; the protocol's own limit.
const MODELS_PER_PAGE: &str = "1000";
/// After how many pages a list of models is taken for endless.
const PAGES_MAX: usize = 20;

/// Anthropic, or a server that speaks its protocol.
pub struct Anthropic {
    name: String,
    config: Config,
    key: SecretString,
    headers: HeaderMap,
    client: reqwest::Client,
    cassette: Option<Cassette>,
    clock: Arc<dyn Clock>,
}

impl Anthropic {
    /// A provider that is called `name` in what it answers. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the configuration is; [`Error::Client`] if TLS cannot be set up.
    pub fn new(name: impl Into<String>, config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        config.validate()?;
        let key = config.api_key.clone().unwrap_or_default();
        let key = SecretString::from(key.expose_secret().trim().to_owned());
        let headers = headers(&config, &key)?;
        let client = http::client().map_err(Error::Client)?;
        Ok(Self { name: name.into(), config, key, headers, client, cassette: None, clock })
    }

    /// The same, with its exchanges recorded or played back; the key is not written.
    #[must_use]
    pub fn with_cassette(mut self, cassette: Cassette) -> Self {
        cassette.hide(&self.key);
        self.cassette = Some(cassette);
        self
    }

    fn writer(&self) -> Writer<'_> {
        Writer { provider: &self.name, options: &self.config.options }
    }

    fn post(&self, path: &str, body: &Body<'_>) -> Result<RequestBuilder, ProviderError> {
        let body = written(body)?;
        Ok(self.client.post(self.config.url(path)).headers(self.headers.clone()).body(body))
    }

    /// One page of the models, `after` the last one of the page before.
    async fn page(&self, limit: &str, after: Option<&str>) -> Result<ModelsPage, ProviderError> {
        let mut query = vec![("limit", limit)];
        query.extend(after.map(|after| ("after_id", after)));
        let request = self.client.get(self.config.url("/v1/models")).headers(self.headers.clone()).query(&query);
        http::json(self.send(request).await?).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ProviderError> {
        let response = http::send(request, self.cassette.as_ref()).await?;
        if response.status() == reqwest::StatusCode::OK {
            return Ok(response);
        }
        let mut error = http::refused(response, REQUEST_ID, self.clock.now(), failure::read).await;
        error.message = self.without_key(&error.message);
        Err(error)
    }

    /// A server may repeat what it was sent.
    fn without_key(&self, message: &str) -> String {
        message.replace(self.key.expose_secret(), "***")
    }
}

#[async_trait]
impl Provider for Anthropic {
    fn name(&self) -> &str {
        &self.name
    }

    async fn chat(&self, request: Request) -> Result<ChatStream, ProviderError> {
        let post = self.post("/v1/messages", &self.writer().chat(&request)?)?;
        drop(request);
        let response = self.send(post).await?;
        let request_id = header(&response, REQUEST_ID);
        if header(&response, "content-type").is_none_or(|kind| !kind.starts_with("text/event-stream")) {
            let error = ProviderError::new(ErrorKind::Malformed, "the answer is not a stream of events");
            return Err(ProviderError { request_id, ..error });
        }
        let reader = Reader::new(&self.name, request_id, self.config.options.cache.ttl);
        Ok(ChatStream::new(Running::new(http::events(response), reader, self.key.clone()).into_stream()))
    }

    async fn count_tokens(&self, request: &Request) -> Result<u64, ProviderError> {
        let post = self.post("/v1/messages/count_tokens", &self.writer().input(request)?)?;
        let counted: Counted = http::json(self.send(post).await?).await?;
        Ok(counted.input_tokens)
    }

    fn counts_tokens(&self) -> bool {
        true
    }

    async fn list(&self) -> Result<Vec<ListedModel>, ProviderError> {
        let (mut models, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.page(MODELS_PER_PAGE, after.as_deref()).await?;
            models.extend(
                page.data.into_iter().map(|model| ListedModel { id: model.id, display_name: model.display_name }),
            );
            match page.last_id.filter(|_| page.has_more) {
                Some(last) if after.as_ref() != Some(&last) => after = Some(last),
                _ => return Ok(models),
            }
        }
        Err(ProviderError::new(ErrorKind::Malformed, "the list of models has no end"))
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        self.page("1", None).await.map(drop)
    }
}

/// The key is not in it.
impl fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anthropic").field("name", &self.name).field("config", &self.config).finish_non_exhaustive()
    }
}

fn headers(config: &Config, key: &SecretString) -> Result<HeaderMap, Error> {
    let value = |name: &'static str, text: &str| {
        HeaderValue::from_str(text).map_err(|_| Error::invalid(name, "cannot be sent in a header"))
    };
    let mut key = value("apiKey", key.expose_secret())?;
    key.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-api-key"), key);
    headers.insert(HeaderName::from_static("anthropic-version"), value("apiVersion", &config.options.api_version)?);
    headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !config.options.betas.is_empty() {
        headers.insert(HeaderName::from_static("anthropic-beta"), value("betas", &config.options.betas.join(","))?);
    }
    Ok(headers)
}

fn written(body: &impl Serialize) -> Result<Vec<u8>, ProviderError> {
    let written = serde_json::to_vec(body)
        .map_err(|error| ProviderError::new(ErrorKind::InvalidRequest, "the request is no JSON").with_source(error))?;
    if written.len() > REQUEST_BYTES_MAX {
        let message = format!("the request has {} bytes, and {REQUEST_BYTES_MAX} are taken", written.len());
        return Err(ProviderError::new(ErrorKind::TooLarge, message));
    }
    Ok(written)
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

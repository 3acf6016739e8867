use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_models::http::{self, Cassette};
use orchestrator_models::{
    ChatStream, EmbedLimits, EmbedRequest, Embeddings, ErrorKind, ListedModel, Provider, ProviderError, Request,
};
use orchestrator_transcript::{Content, Message, Origin, ToolResult, ToolResultPart};
use orchestrator_vocab::Clock;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use crate::chat::{self, ChatReader};
use crate::responses::{self, ResponsesReader};
use crate::stream::{pieces, whole};
use crate::{Api, Config, Error, embeddings, failure, tokens};

const REQUEST_ID: &str = "x-request-id";
/// What a failed tool's words begin with: neither protocol has another way to say that it failed.
pub(crate) const FAILED: &str = "Error: ";

/// OpenAI, or a server that speaks like it.
pub struct OpenAi {
    name: String,
    config: Config,
    client: Client,
    cassette: Option<Cassette>,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

impl OpenAi {
    /// A provider with the name it has in the configuration. Connects to nobody yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the key that is wrong; [`Error::Client`] if TLS cannot be set up.
    pub fn new(name: impl Into<String>, config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        config.validate()?;
        let client = http::client().map_err(|error| Error::Client(Box::new(error)))?;
        Ok(Self { name: name.into(), config, client, cassette: None, clock })
    }

    /// The same, with its exchanges recorded or played back; the key is not written.
    #[must_use]
    pub fn with_cassette(mut self, cassette: Cassette) -> Self {
        if let Some(key) = &self.config.api_key {
            cassette.hide(key);
        }
        self.cassette = Some(cassette);
        self
    }

    /// With our name on it. The key is marked, so that nobody prints it.
    fn signed(&self, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(key) = &self.config.api_key
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(organization) = &self.config.options.organization {
            request = request.header("OpenAI-Organization", organization);
        }
        if let Some(project) = &self.config.options.project {
            request = request.header("OpenAI-Project", project);
        }
        request
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Response, ProviderError> {
        let response = http::send(self.signed(request), self.cassette.as_ref()).await?;
        if response.status().as_u16() == 200 {
            return Ok(response);
        }
        let mut error = http::refused(response, REQUEST_ID, self.clock.now(), failure::told).await;
        self.hide_key(&mut error.message);
        Err(error)
    }

    /// Some servers repeat in their words what they were sent.
    fn hide_key(&self, message: &mut String) {
        if let Some(key) = &self.config.api_key
            && message.contains(key.expose_secret())
        {
            *message = message.replace(key.expose_secret(), "***");
        }
    }

    fn body(&self, request: &Request) -> Result<(&'static str, Value), ProviderError> {
        Ok(match self.config.api() {
            Api::Chat => ("chat/completions", chat::body(request, &self.config)?),
            Api::Responses => ("responses", responses::body(request, &self.config)?),
        })
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    async fn chat(&self, mut request: Request) -> Result<ChatStream, ProviderError> {
        request.messages.iter_mut().for_each(|message| forget_others(&self.name, message));
        let (path, body) = self.body(&request)?;
        let response = self.ask(self.client.post(self.config.url(path)).json(&body)).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let request_id = header(REQUEST_ID).map(str::to_owned);
        // Some servers cannot answer in pieces though they are asked to.
        let is_whole = header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/json"));
        let origin = Origin { provider: self.name.clone(), model: request.model };
        match (self.config.api(), is_whole) {
            (Api::Chat, false) => Ok(pieces(response, ChatReader::new(origin, request.messages.len()), request_id)),
            (Api::Chat, true) => whole(response, ChatReader::new(origin, request.messages.len()), request_id).await,
            (Api::Responses, false) => Ok(pieces(response, ResponsesReader::new(origin), request_id)),
            (Api::Responses, true) => whole(response, ResponsesReader::new(origin), request_id).await,
        }
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, ProviderError> {
        let body = embeddings::body(&request, self.config.encoding());
        let response = self.ask(self.client.post(self.config.url("embeddings")).json(&body)).await?;
        embeddings::read(http::json(response).await?)
    }

    fn embed_limits(&self) -> EmbedLimits {
        EmbedLimits { inputs_max: self.config.options.embeddings.inputs_max, ..EmbedLimits::default() }
    }

    /// An estimate, for the tokenizers of these servers are many; see the README for how far off it is.
    async fn count_tokens(&self, request: &Request) -> Result<u64, ProviderError> {
        Ok(tokens::count(request))
    }

    async fn list(&self) -> Result<Vec<ListedModel>, ProviderError> {
        let response = self.ask(self.client.get(self.config.url("models"))).await?;
        let list: List = http::json(response).await?;
        let named = |listed: Listed| ListedModel { id: listed.id, display_name: None };
        let mut models: Vec<_> = list.data.into_iter().map(named).collect();
        models.sort();
        Ok(models)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.config.base_url;
        f.debug_struct("OpenAi").field("name", &self.name).field("base_url", address).finish_non_exhaustive()
    }
}

/// The system prompt as one text; neither protocol takes anything else there.
pub(crate) fn instructions(request: &Request) -> Result<Option<String>, ProviderError> {
    let mut texts = Vec::new();
    for block in &request.system {
        match &block.content {
            Content::Text { text } => texts.push(text.as_str()),
            other => return Err(inexpressible(other, "the system prompt")),
        }
    }
    Ok((!texts.is_empty()).then(|| texts.join("\n\n")))
}

/// The words of a result.
pub(crate) fn written(result: &ToolResult) -> String {
    let failed = result.is_error.then_some(FAILED);
    let words = result.content.iter().filter_map(|part| match part {
        ToolResultPart::Text { text } => Some(text.as_str()),
        ToolResultPart::Image { .. } => None,
    });
    failed.into_iter().chain(words).collect()
}

pub(crate) fn inexpressible(content: &Content, place: &str) -> ProviderError {
    let what = match content {
        Content::Text { .. } => "text",
        Content::Image { .. } => "a picture",
        Content::Thinking { .. } => "thinking",
        Content::RedactedThinking { .. } => "redacted thinking",
        Content::ToolCall(_) => "a call of a tool",
        Content::ToolResult(_) => "a result of a tool",
        Content::Opaque { .. } => "an opaque block",
    };
    ProviderError::new(ErrorKind::InvalidRequest, format!("{what} cannot be said in {place} in this protocol"))
}

/// What only another provider can read is left out: its thoughts, and what it ran by itself. Here it would be refused.
fn forget_others(name: &str, message: &mut Message) {
    let is_others = message.origin.as_ref().is_some_and(|origin| origin.provider != name);
    message.content.retain(|block| match &block.content {
        Content::Thinking { .. } | Content::RedactedThinking { .. } => !is_others,
        Content::Opaque { provider, .. } => provider == name,
        _ => true,
    });
}

pub(crate) fn unsendable(error: serde_json::Error) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidRequest, "the request cannot be written as JSON").with_source(error)
}

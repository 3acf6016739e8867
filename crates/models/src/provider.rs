use std::fmt;

use async_trait::async_trait;

use crate::{ChatStream, EmbedLimits, EmbedRequest, Embeddings, ErrorKind, ProviderError, Request};

/// Somebody who runs models. Implementations must pass [`conformance`](crate::conformance) (feature `test-util`).
///
/// An implementation translates, and does nothing else: it makes one request upstream per call, retries nothing, waits for no
/// limit and sets no time-out of its own. Time-outs, retries, limits and the choice of the provider are the router's.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug {
    /// Its name as it is configured. It goes into [`Origin::provider`](orchestrator_transcript::Origin), and messages are to
    /// be passed through [`Message::for_provider`](orchestrator_transcript::Message::for_provider) with it before they are sent.
    fn name(&self) -> &str;

    /// Asks a model. Returns once the provider has accepted the request; what it refuses before its first event is the error
    /// returned here, what fails later is an error in the stream.
    ///
    /// The stream promises:
    ///
    /// - **Order**: as [`StreamEvent`](orchestrator_transcript::StreamEvent) says; an `Accumulator` refuses none of its events.
    /// - **Terminal event**: `end` is sent if and only if the provider said that the answer is whole, and is the last item.
    ///   A connection that closes before is [`ErrorKind::StreamTruncated`](crate::ErrorKind::StreamTruncated). If usage comes
    ///   after the reason to stop, `end` is held back until it has come or the stream is closed properly.
    /// - **Errors**: at most one, and nothing after it. An error event in a stream that began well is typed like the same
    ///   error as an answer. What cannot be parsed is [`ErrorKind::Malformed`](crate::ErrorKind::Malformed); kinds of events
    ///   that are merely unknown are ignored.
    /// - **Usage** counts as [`Usage`](orchestrator_transcript::Usage) says, each event all so far. It is sent at least once
    ///   before `end` if the provider tells it at all.
    /// - **Replay**: thinking keeps its signature, and what has no form of its own comes as an opaque block, so that the message
    ///   can be sent back to this provider as it was.
    /// - **Nothing invented**: no repaired JSON, no made-up ids for tools that had one, no `end_turn` for a reason it does not
    ///   know (that is `Other`, with the raw word).
    /// - **Cancellation**: dropping the future or the stream closes the request upstream.
    async fn chat(&self, request: Request) -> Result<ChatStream, ProviderError>;

    /// Makes one vector of each text, in their order. Optional: who makes none refuses with
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest), as this does unless it is implemented.
    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, ProviderError> {
        let message = format!("{} makes no embeddings, of `{}` neither", self.name(), request.model);
        Err(ProviderError::new(ErrorKind::InvalidRequest, message))
    }

    /// How much [`embed`](Self::embed) takes at once.
    fn embed_limits(&self) -> EmbedLimits {
        EmbedLimits::default()
    }

    /// How many tokens of input the request is, as the provider counts or the implementation estimates (then not too few).
    async fn count_tokens(&self, request: &Request) -> Result<u64, ProviderError>;

    /// Whether [`count_tokens`](Self::count_tokens) tells what will be charged; else it estimates.
    fn counts_tokens(&self) -> bool {
        false
    }

    /// The models it has, by name.
    async fn list(&self) -> Result<Vec<ListedModel>, ProviderError>;

    /// Whether it answers and takes our credentials. Cheap: it uses no tokens.
    async fn probe(&self) -> Result<(), ProviderError> {
        self.list().await.map(drop)
    }
}

/// A model as its provider lists it. What it can do and costs is not the provider's to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedModel {
    /// What requests name.
    pub id: String,
    /// For people, if the provider has one.
    pub display_name: Option<String>,
}

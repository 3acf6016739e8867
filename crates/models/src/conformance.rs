//! What every [`Provider`] promises, one function per promise. Expand them with
//! [`provider_conformance!`](crate::provider_conformance).
//!
//! A promise is about what a provider makes of what its upstream does, so each is tried in a [`Scenario`]: the tests of an
//! implementation set up an upstream that does this, in its own protocol, and give a provider that talks to it.

#![expect(clippy::unwrap_used, reason = "a promise that is not kept panics")]

mod played;

use std::fmt;
use std::time::Duration;

use orchestrator_transcript::{Accumulator, Content, Message, Reply, StopReason, StreamEvent, Usage};
use orchestrator_vocab::Label;
use serde_json::json;

use crate::{ErrorKind, Provider, ProviderError, Request, Tool};

pub use played::PlayedBack;

/// What the upstream does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Answers the text [`TEXT`] in three pieces or more, with [`USAGE`], and ends as models end.
    Text,
    /// Calls the tool `read` with `{"path": "a.txt"}` and the id `call-1`, the arguments in two pieces or more, and waits for
    /// its result.
    ToolCall,
    /// Calls `read` twice, as `call-1` with `{"path": "a.txt"}` and as `call-2` with `{"path": "b.txt"}`.
    TwoToolCalls,
    /// Calls `read` with the arguments `{"path": ` and ends because the tokens ran out.
    CutArguments,
    /// Thinks [`THOUGHT`] with the signature [`SIGNATURE`], then answers [`TEXT`].
    Thinking,
    /// Refuses in its answer.
    Refusal,
    /// Says half of [`TEXT`] and closes the connection without a terminal event.
    Truncated,
    /// Says half of [`TEXT`], then sends an error event that says it is overloaded.
    ErrorInStream,
    /// Says half of [`TEXT`], then something that does not parse.
    Garbage,
    /// Answers 400.
    Invalid,
    /// Answers 401.
    Unauthenticated,
    /// Answers that there is no money or quota left, as its protocol says that.
    NoCredit,
    /// Answers 404: no such model.
    UnknownModel,
    /// Answers 429 with `retry-after: 7`.
    RateLimited,
    /// Answers 529 or 503.
    Overloaded,
    /// Answers 500 with `x-should-retry: false`.
    DoNotRetry,
    /// Nobody listens.
    Unreachable,
}

/// What the model says.
pub const TEXT: &str = "Grüße, \"world\"!\nThis is the answer.";
/// What it thinks.
pub const THOUGHT: &str = "I had better greet.";
/// What proves it.
pub const SIGNATURE: &str = "c2lnbmF0dXJl";
/// What it costs: 10 tokens of input besides 100 from the cache, 20 of output.
pub const USAGE: Usage =
    Usage { input: 10, cache_read: 100, cache_write_5m: 0, cache_write_1h: 0, output: 20, reasoning: 0 };

/// A provider whose upstream does what a scenario says, and whatever must live as long.
pub struct Subject<Keep = ()> {
    /// The provider.
    pub provider: Box<dyn Provider>,
    /// Dropped last.
    pub keep: Keep,
}

impl<Keep> fmt::Debug for Subject<Keep> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// Makes one test per promise out of a function `async fn(Scenario) -> Subject`. Protocols that do not sign what a model thinks
/// say `provider_conformance!(subject, without_signatures)`.
#[macro_export]
macro_rules! provider_conformance {
    ($subject:expr) => {
        $crate::provider_conformance!(@each $subject =>
            thinking_keeps_its_signature: Thinking,
        );
        $crate::provider_conformance!($subject, without_signatures);
    };
    ($subject:expr, without_signatures) => {
        $crate::provider_conformance!(@each $subject =>
            pieces_make_the_whole: Text,
            it_says_who_answered: Text,
            cached_tokens_are_counted_once: Text,
            arguments_arrive_whole: ToolCall,
            calls_of_tools_keep_their_order: TwoToolCalls,
            cut_arguments_are_not_repaired: CutArguments,
            a_refusal_is_a_reason_to_stop: Refusal,
            an_answer_without_its_end_is_truncated: Truncated,
            an_error_in_the_stream_is_typed: ErrorInStream,
            garbage_is_malformed: Garbage,
            a_wrong_request_is_not_retried: Invalid,
            wrong_credentials_are_not_retried: Unauthenticated,
            an_empty_account_is_not_retried: NoCredit,
            an_unknown_model_is_not_found: UnknownModel,
            a_limit_says_when_to_come_back: RateLimited,
            overload_may_be_retried: Overloaded,
            the_provider_has_the_last_word: DoNotRetry,
            nobody_there_is_a_connection_error: Unreachable,
            tokens_are_counted: Text,
            models_are_listed_and_probed: Text,
            probing_tells_of_wrong_credentials: Unauthenticated,
        );
    };
    (@each $subject:expr => $($promise:ident: $scenario:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            let subject = $subject($crate::conformance::Scenario::$scenario).await;
            $crate::conformance::$promise(&*subject.provider).await;
        })*
    };
}

/// What the suite asks in every scenario.
pub fn request() -> Request {
    let parameters = json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] });
    let tool = Tool { name: "read".into(), description: "Reads a file".into(), parameters };
    let messages = vec![Message::user(Label::USER, "Greet the world.")];
    Request { tools: vec![tool], max_tokens: Some(4_096), ..Request::new("conformance", messages) }
}

async fn reply(provider: &dyn Provider) -> Reply {
    provider.chat(request()).await.unwrap().collect(Label::USER).await.unwrap()
}

async fn failure(provider: &dyn Provider) -> ProviderError {
    match provider.chat(request()).await {
        Ok(stream) => stream.collect(Label::USER).await.unwrap_err(),
        Err(error) => error,
    }
}

/// Each piece comes once, in order, and then the end.
pub async fn pieces_make_the_whole(provider: &dyn Provider) {
    let mut stream = provider.chat(request()).await.unwrap();
    let (mut answer, mut deltas) = (Accumulator::new(Label::USER), 0);
    while let Some(event) = stream.next().await {
        let event = event.unwrap();
        deltas += usize::from(matches!(event, StreamEvent::Delta { .. }));
        answer.push(event).unwrap();
    }
    let reply = answer.finish().unwrap();
    assert!(deltas >= 3, "it was not streamed: {deltas} pieces");
    assert_eq!((reply.message.text().as_str(), reply.stop.reason), (TEXT, StopReason::EndTurn));
    assert!(!reply.stop.raw.is_empty(), "the provider's own word is lost");
}

/// The name as configured, and a model.
pub async fn it_says_who_answered(provider: &dyn Provider) {
    let origin = reply(provider).await.message.origin.unwrap();
    assert_eq!(origin.provider, provider.name());
    assert!(!origin.model.is_empty());
}

/// However the protocol counts them.
pub async fn cached_tokens_are_counted_once(provider: &dyn Provider) {
    assert_eq!(reply(provider).await.usage, USAGE);
}

/// Pieces of JSON may end anywhere.
pub async fn arguments_arrive_whole(provider: &dyn Provider) {
    let reply = reply(provider).await;
    let call = reply.message.tool_calls().next().unwrap();
    assert_eq!((call.id.as_str(), call.name.as_str()), ("call-1", "read"));
    assert_eq!((&call.arguments, &call.malformed), (&json!({ "path": "a.txt" }), &None));
    assert_eq!(reply.stop.reason, StopReason::ToolUse);
}

/// And their ids and arguments apart.
pub async fn calls_of_tools_keep_their_order(provider: &dyn Provider) {
    let reply = reply(provider).await;
    let calls: Vec<_> = reply.message.tool_calls().map(|call| (call.id.as_str(), call.arguments.clone())).collect();
    assert_eq!(calls, [("call-1", json!({ "path": "a.txt" })), ("call-2", json!({ "path": "b.txt" }))]);
}

/// Half a call is not a call.
pub async fn cut_arguments_are_not_repaired(provider: &dyn Provider) {
    let reply = reply(provider).await;
    let call = reply.message.tool_calls().next().unwrap();
    assert_eq!(call.malformed.as_deref(), Some("{\"path\": "));
    assert_eq!(reply.stop.reason, StopReason::MaxTokens);
}

/// Or its maker refuses the turn when it is sent back.
pub async fn thinking_keeps_its_signature(provider: &dyn Provider) {
    let reply = reply(provider).await;
    let expected = Content::Thinking { text: THOUGHT.into(), signature: Some(SIGNATURE.into()) };
    assert_eq!(reply.message.content[0].content, expected);
    assert_eq!(reply.message.text(), TEXT);
}

/// Never an end like any other.
pub async fn a_refusal_is_a_reason_to_stop(provider: &dyn Provider) {
    let stop = reply(provider).await.stop;
    assert!(matches!(stop.reason, StopReason::Refusal { .. }), "{stop:?}");
}

/// Never "stop".
pub async fn an_answer_without_its_end_is_truncated(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!(error.kind, ErrorKind::StreamTruncated, "{error:?}");
}

/// As it would have been as an answer, and nothing comes after it.
pub async fn an_error_in_the_stream_is_typed(provider: &dyn Provider) {
    let mut stream = provider.chat(request()).await.unwrap();
    let mut error = None;
    while let Some(event) = stream.next().await {
        assert!(error.is_none(), "{event:?} after {error:?}");
        error = event.err();
    }
    assert_eq!(error.map(|error| error.kind), Some(ErrorKind::Overloaded));
}

/// It is not skipped: what was in it is unknown.
pub async fn garbage_is_malformed(provider: &dyn Provider) {
    assert_eq!(failure(provider).await.kind, ErrorKind::Malformed);
}

/// It would be wrong again.
pub async fn a_wrong_request_is_not_retried(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::InvalidRequest, false), "{error:?}");
}

/// They would be wrong again.
pub async fn wrong_credentials_are_not_retried(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::Authentication, false), "{error:?}");
}

/// Also where the status is that of a limit.
pub async fn an_empty_account_is_not_retried(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::Billing, false), "{error:?}");
}

/// Another provider may have it.
pub async fn an_unknown_model_is_not_found(provider: &dyn Provider) {
    assert_eq!(failure(provider).await.kind, ErrorKind::NotFound);
}

/// In the provider's own time.
pub async fn a_limit_says_when_to_come_back(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::RateLimited, true), "{error:?}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

/// It passes.
pub async fn overload_may_be_retried(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::Overloaded, true), "{error:?}");
}

/// `x-should-retry` beats the status.
pub async fn the_provider_has_the_last_word(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::Server, false), "{error:?}");
}

/// It is told from an error of the provider.
pub async fn nobody_there_is_a_connection_error(provider: &dyn Provider) {
    let error = failure(provider).await;
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::Connection, true), "{error:?}");
}

/// There is no request of no tokens.
pub async fn tokens_are_counted(provider: &dyn Provider) {
    assert!(provider.count_tokens(&request()).await.unwrap() > 0);
}

/// At least one model.
pub async fn models_are_listed_and_probed(provider: &dyn Provider) {
    assert!(!provider.list().await.unwrap().is_empty());
    provider.probe().await.unwrap();
}

/// A probe that always succeeds is none.
pub async fn probing_tells_of_wrong_credentials(provider: &dyn Provider) {
    assert_eq!(provider.probe().await.unwrap_err().kind, ErrorKind::Authentication);
}

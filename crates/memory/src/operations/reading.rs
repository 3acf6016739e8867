use orchestrator_rpc::page::{Cursor, Limit, Page};
use orchestrator_rpc::{Call, Error as Refused, NoParams};
use orchestrator_vocab::{SessionId, TaskId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MemoryParams, seen, visible};
use crate::{Filter, Hit, Kind, Memories, Memory, Question, Scope, State, Tier, assemble};

/// The parameters of `memory.query`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct QueryParams {
    /// What is asked, in words.
    #[schemars(length(min = 1, max = 8_192), regex(pattern = r"\S"))]
    query: String,
    /// Only of this tier.
    #[serde(default)]
    tier: Option<Tier>,
    /// Only of this sort.
    #[serde(default, rename = "type")]
    kind: Option<Kind>,
    /// Only what these remember.
    #[serde(default)]
    scope: Option<Scope>,
    /// Only from this session.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// Only from the work on this task.
    #[serde(default)]
    task_id: Option<TaskId>,
    /// Only about this person.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    person: Option<String>,
    /// Only about this.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    topic: Option<String>,
    /// Only what is remembered since then.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Only what was remembered before then.
    #[serde(default)]
    until: Option<Timestamp>,
    /// At most so many.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
    /// Only what scores at least so much, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    similarity_threshold: f32,
    /// Also as a text for a prompt, of at most so many tokens.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000))]
    tokens: Option<usize>,
}

fn ten() -> usize {
    10
}

/// What `memory.query` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    /// The best first.
    memories: Vec<Hit>,
    /// As a text, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<crate::Assembled>,
}

pub(super) async fn query(memories: Memories, call: Call, params: QueryParams) -> Result<Found, Refused> {
    if params.tokens.is_some_and(|tokens| !(1..=100_000).contains(&tokens)) {
        return Err(Refused::invalid_field("tokens", "expected a number from 1 to 100000"));
    }
    let filter = Filter {
        tiers: params.tier.into_iter().collect(),
        kinds: params.kind.into_iter().collect(),
        scopes: params.scope.map(|scope| vec![scope]),
        session: params.session_id,
        task: params.task_id,
        person: params.person.map(|name| name.to_lowercase()),
        topic: params.topic.map(|name| name.to_lowercase()),
        from: params.from,
        until: params.until,
        ..Filter::default()
    };
    let question = Question {
        filter: visible(&call, filter),
        limit: params.limit,
        threshold: params.similarity_threshold,
        ..Question::new(params.query)
    };
    let hits = memories.recall(call.org(), &question).await?;
    let prompt = params.tokens.map(|tokens| assemble(&hits, tokens));
    Ok(Found { memories: hits, prompt })
}

pub(super) async fn get(memories: Memories, call: Call, params: MemoryParams) -> Result<Memory, Refused> {
    seen(&memories, &call, params.memory_id).await
}

/// The parameters of `memory.list` and `memory.export`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListParams {
    /// Only of this tier.
    #[serde(default)]
    tier: Option<Tier>,
    /// Only of this sort.
    #[serde(default, rename = "type")]
    kind: Option<Kind>,
    /// Only what these remember.
    #[serde(default)]
    scope: Option<Scope>,
    /// Only in this state; otherwise those that count.
    #[serde(default)]
    state: Option<State>,
    /// Only from this session.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// How many at most.
    #[serde(default)]
    limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    #[serde(default)]
    cursor: Option<Cursor>,
}

pub(super) async fn list(memories: Memories, call: Call, params: ListParams) -> Result<Page<Memory>, Refused> {
    let (found, next_cursor) = page(&memories, &call, &params, &[]).await?;
    Ok(Page { items: found.into_iter().map(|(_, memory)| memory).collect(), next_cursor })
}

/// The memories that are asked for, of these tiers if none is named, and where to go on.
pub(super) async fn page(
    memories: &Memories,
    call: &Call,
    params: &ListParams,
    otherwise: &[Tier],
) -> Result<(Vec<(i64, Memory)>, Option<Cursor>), Refused> {
    let filter = Filter {
        tiers: params.tier.map_or_else(|| otherwise.to_vec(), |tier| vec![tier]),
        kinds: params.kind.into_iter().collect(),
        scopes: params.scope.clone().map(|scope| vec![scope]),
        states: params.state.into_iter().collect(),
        session: params.session_id,
        ..Filter::default()
    };
    let before: Option<i64> = params.cursor.as_ref().map(Cursor::read).transpose()?;
    let limit = params.limit.get();
    let mut found = memories.list(call.org(), &visible(call, filter), before, limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|(number, _)| Cursor::of(number));
    Ok((found, next_cursor))
}

/// What a tier holds.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TierStats {
    tier: Tier,
    /// How many memories.
    count: u64,
    /// The bytes of their texts.
    bytes: u64,
    /// How many there may be: of each session for the scratchpad, of the organisation for the others.
    bytes_max: u64,
}

/// What `memory.stats` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    tiers: Vec<TierStats>,
    /// How many wait for somebody to confirm them, counted up to 1,000.
    quarantined: usize,
    /// Who makes vectors, if anybody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedder: Option<String>,
    /// How many wait for their vectors, counted up to 1,000.
    unembedded: usize,
}

pub(super) async fn stats(memories: Memories, call: Call, NoParams {}: NoParams) -> Result<Stats, Refused> {
    let used = memories.usage(call.org(), None).await?;
    let (quarantined, unembedded) = memories.waiting(call.org()).await?;
    let tiers = Tier::ALL.into_iter().zip(used).map(|(tier, used)| TierStats {
        tier,
        count: used.count,
        bytes: used.bytes,
        bytes_max: memories.config().bytes_max(tier),
    });
    let embedder = memories.embedder().map(|embedder| embedder.name().to_owned());
    Ok(Stats { tiers: tiers.collect(), quarantined, embedder, unembedded })
}

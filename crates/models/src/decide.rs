//! Which models are asked, in which order, and why not the others. Pure.

use std::cmp::Ordering;
use std::time::Duration;

use orchestrator_transcript::Usage;
use serde::Serialize;

use crate::health::Admission;
use crate::{Facts, Request, Strategy};

/// Tokens of output that are reckoned with where a request does not limit them.
const OUTPUT_EXPECTED: u64 = 1_000;

/// What a request needs of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Needs {
    /// Tokens of input, estimated.
    pub input_tokens: u64,
    /// The most tokens of output that are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// It has tools.
    pub tools: bool,
    /// It has pictures.
    pub vision: bool,
    /// It wants thinking.
    pub thinking: bool,
}

/// Why a model was not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "reason", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Skip {
    /// Its provider failed too often lately and is left alone.
    CircuitOpen {
        /// In milliseconds; 0 while another request tries it.
        retry_in_ms: u64,
    },
    /// The request does not fit.
    ContextWindow {
        /// Tokens of input and output.
        needed: u64,
        /// Tokens it can take.
        window: u64,
    },
    /// It cannot write as much as is asked for.
    OutputMax {
        /// Tokens asked for.
        needed: u64,
        /// Tokens it can write.
        most: u64,
    },
    /// It cannot call tools.
    NoTools,
    /// It cannot see.
    NoVision,
    /// It cannot think.
    NoThinking,
    /// Its provider has given it up.
    Retired {
        /// The first day without it.
        on: String,
    },
}

/// A model as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) facts: Facts,
    pub(crate) admission: Admission,
    pub(crate) first_token: Option<Duration>,
    /// Requests under way with its provider.
    pub(crate) busy: usize,
}

/// Candidates by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) order: Vec<usize>,
    pub(crate) skipped: Vec<(usize, Skip)>,
}

/// What the order depends on besides the candidates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    pub(crate) strategy: Strategy,
    /// So many candidates stay in front of the others: that which was asked for by name, and what is asked in its place.
    pub(crate) pinned: usize,
    /// Each time, the first is asked in the place of the second if it can do it. The second is left for when all others fail.
    pub(crate) degraded: &'a [(usize, usize)],
    /// Counts up with each decision.
    pub(crate) turn: usize,
    /// As `2026-11-28`.
    pub(crate) today: &'a str,
}

impl Needs {
    /// What this request needs.
    pub fn of(request: &Request) -> Self {
        Self {
            input_tokens: request.tokens_estimated(),
            output_tokens: request.max_tokens.map(u64::from),
            tools: !request.tools.is_empty(),
            vision: request.has_images(),
            thinking: request.wants_thinking(),
        }
    }
}

pub(crate) fn decide(candidates: &[Candidate], needs: &Needs, circumstances: Circumstances<'_>) -> Decision {
    let mut decision = Decision { order: Vec::new(), skipped: Vec::new() };
    for (number, candidate) in candidates.iter().enumerate() {
        match skip(candidate, needs, circumstances.today) {
            Some(reason) => decision.skipped.push((number, reason)),
            None => decision.order.push(number),
        }
    }
    let pinned = decision.order.iter().take_while(|number| **number < circumstances.pinned).count();
    sort(&mut decision.order[pinned..], candidates, needs, circumstances);
    for (cheaper, dear) in circumstances.degraded {
        if decision.order.contains(cheaper) {
            let (last, others) = decision.order.iter().partition::<Vec<usize>, _>(|number| *number == dear);
            decision.order = others.into_iter().chain(last).collect();
        }
    }
    decision
}

fn skip(candidate: &Candidate, needs: &Needs, today: &str) -> Option<Skip> {
    let facts = &candidate.facts;
    let lacks = |needed: bool, can: Option<bool>| needed && can == Some(false);
    if let Some(on) = facts.retires.as_ref().filter(|on| on.as_str() <= today) {
        return Some(Skip::Retired { on: on.clone() });
    }
    if lacks(needs.tools, facts.tools) {
        return Some(Skip::NoTools);
    }
    if lacks(needs.vision, facts.vision) {
        return Some(Skip::NoVision);
    }
    if lacks(needs.thinking, facts.thinking) {
        return Some(Skip::NoThinking);
    }
    if let (Some(most), Some(needed)) = (facts.output_max, needs.output_tokens)
        && needed > most
    {
        return Some(Skip::OutputMax { needed, most });
    }
    if let Some(window) = facts.context_window
        && needs.input_tokens > window
    {
        return Some(Skip::ContextWindow { needed: needs.input_tokens, window });
    }
    match candidate.admission {
        Admission::Yes | Admission::Probe => None,
        Admission::No(wait) => Some(Skip::CircuitOpen { retry_in_ms: millis(wait) }),
    }
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What a request is expected to cost, in billionths of a US dollar, if the price is known.
pub(crate) fn estimate(facts: &Facts, needs: &Needs) -> Option<u64> {
    let output = needs.output_tokens.unwrap_or(OUTPUT_EXPECTED);
    let usage = Usage { input: needs.input_tokens, output, ..Usage::default() };
    facts.price.map(|price| price.cost(usage))
}

/// Those that are equal stay in their order.
fn sort(order: &mut [usize], candidates: &[Candidate], needs: &Needs, circumstances: Circumstances<'_>) {
    let by_cost = |a: &usize, b: &usize| {
        let cost = |number: usize| estimate(&candidates[number].facts, needs);
        none_last(cost(*a), cost(*b))
    };
    let by_latency = |a: &usize, b: &usize| candidates[*a].first_token.cmp(&candidates[*b].first_token);
    let by_load = |a: &usize, b: &usize| candidates[*a].busy.cmp(&candidates[*b].busy);
    match circumstances.strategy {
        Strategy::Failover => {}
        Strategy::Cost => order.sort_by(by_cost),
        Strategy::Latency => order.sort_by(by_latency),
        Strategy::RoundRobin => {
            let turn = circumstances.turn.checked_rem(order.len()).unwrap_or_default();
            order.rotate_left(turn);
        }
        Strategy::Balanced => {
            let (cost, latency, load) = (places(order, by_cost), places(order, by_latency), places(order, by_load));
            let sum = |number: usize| cost[number] + latency[number] + load[number];
            let sums: Vec<(usize, usize)> = order.iter().enumerate().map(|(at, number)| (sum(at), *number)).collect();
            let mut sums = sums;
            sums.sort_by_key(|(sum, _)| *sum);
            order.iter_mut().zip(sums).for_each(|(place, (_, number))| *place = number);
        }
    }
}

fn none_last<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// For each of `order`, how many are better.
fn places(order: &[usize], compare: impl Fn(&usize, &usize) -> Ordering) -> Vec<usize> {
    let better = |one: &usize| order.iter().filter(|other| compare(other, one) == Ordering::Less).count();
    order.iter().map(better).collect()
}

#[cfg(test)]
mod tests;

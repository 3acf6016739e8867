//! The handle: estimates, raises, and every way to end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_budget::{
    By, Config, End, Error, Hold, Ledger, Limit, MemoryStore, NoWitness, Owner, Parts, Request, Reservation, Scope,
    Span, Spender, Spending, SpendingQuery, Witness,
};
use orchestrator_events::{Log as _, MemoryLog};
use orchestrator_transcript::Usage;
use orchestrator_vocab::{OrgId, PausedClock, Timestamp, Tokens};

const LOCAL: OrgId = OrgId::LOCAL;
const NOON: Timestamp = Timestamp(1_769_862_896_000);

struct Bed {
    ledger: Ledger,
    store: Arc<MemoryStore>,
    clock: Arc<PausedClock>,
}

fn bed(config: Config) -> Bed {
    let (store, clock) = (Arc::new(MemoryStore::default()), Arc::new(PausedClock::at(NOON)));
    let ledger = ledger(&store, &clock, 1, config, Arc::new(NoWitness));
    Bed { ledger, store, clock }
}

fn ledger(
    store: &Arc<MemoryStore>,
    clock: &Arc<PausedClock>,
    epoch: u64,
    config: Config,
    witness: Arc<dyn Witness>,
) -> Ledger {
    let owner = Owner { node: "n".into(), epoch };
    Ledger::new(Parts {
        store: store.clone(),
        clock: clock.clone(),
        owner,
        config,
        witness,
        vendors: Default::default(),
    })
    .unwrap()
}

fn daily(tokens: u64) -> Config {
    Config { daily: Some(Tokens(tokens)), output_estimate: 100, ..Config::default() }
}

fn request(input: u64, output_max: Option<u64>) -> Request {
    let spender = Spender { agent: Some("coder".parse().unwrap()), ..Spender::of("anthropic", "claude-haiku-4-5") };
    Request { org: LOCAL, spender, vendor: Some("anthropic".into()), price: None, input, is_counted: false, output_max }
}

fn used(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

impl Bed {
    async fn hold(&self, input: u64, output_max: Option<u64>) -> Hold {
        self.ledger.reserve(request(input, output_max)).await.unwrap()
    }

    /// Spent and reserved today.
    async fn day(&self) -> (u64, u64) {
        let status = self.ledger.status(LOCAL).await.unwrap();
        let day = status
            .limits
            .iter()
            .find(|limit| limit.limit.window == Span::Day && limit.scope == Scope::ORGANISATION)
            .unwrap();
        (day.spent.tokens.0, day.reserved.tokens.0)
    }

    async fn last(&self) -> Spending {
        let query = SpendingQuery { limit: 1, ..SpendingQuery::default() };
        self.ledger.spendings(LOCAL, query).await.unwrap().remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_used_is_spent_when_the_answer_is_whole() {
    let bed = bed(daily(1_000));
    let mut hold = bed.hold(50, Some(60)).await;
    assert_eq!(bed.day().await, (0, 110));
    hold.told(used(40, 20)).await.unwrap();
    let spending = hold.complete().await.unwrap().unwrap();
    assert_eq!(
        (bed.day().await, spending.estimated, spending.amount.nano_usd.0),
        ((60, 0), false, 40 * 1_000 + 20 * 5_000)
    );
}

#[tokio::test(start_paused = true)]
async fn every_other_end_settles_what_was_seen() {
    let bed = bed(daily(1_000));
    let mut broken = bed.hold(50, Some(60)).await;
    broken.saw(41).await.unwrap();
    broken.truncated().await.unwrap();
    let last = bed.last().await;
    assert_eq!((last.usage, last.end, last.estimated), (used(50, 11), End::Truncated, true));
    let mut left = bed.hold(50, Some(60)).await;
    left.told(used(30, 1)).await.unwrap();
    left.saw(400).await.unwrap();
    drop(left);
    bed.ledger.close().await;
    let last = bed.last().await;
    assert_eq!((last.usage, last.end, last.estimated), (used(30, 100), End::Disconnected, true));
    assert_eq!(bed.day().await, (61 + 130, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_asked_costs_nothing() {
    let bed = bed(daily(1_000));
    bed.hold(50, Some(60)).await.release().await.unwrap();
    assert_eq!(bed.day().await, (0, 0));
    assert!(
        bed.ledger.spendings(LOCAL, SpendingQuery { limit: 1, ..SpendingQuery::default() }).await.unwrap().is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_needs_more_gets_it_until_a_limit_is_in_the_way() {
    let bed = bed(daily(1_000));
    let mut hold = bed.hold(50, None).await;
    assert_eq!(bed.day().await, (0, 150));
    hold.saw(101 * 4).await.unwrap();
    assert_eq!(bed.day().await, (0, 50 + 101 + 256));
    hold.told(used(50, 950)).await.unwrap();
    assert_eq!(bed.day().await, (0, 1_000), "no room for more than there is");
    let refused = hold.told(used(50, 951)).await.unwrap_err();
    assert!(matches!(&refused, Error::Exhausted(refusal) if refusal.resets_at > NOON), "{refused}");
    hold.stop().await.unwrap();
    assert_eq!((bed.day().await, bed.last().await.end), ((1_001, 0), End::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_price_that_nobody_knows_is_refused_or_taken_for_the_ceiling() {
    let unknown = || Request { spender: Spender::of("local", "llama"), vendor: None, ..request(10, Some(10)) };
    let strict = bed(daily(1_000));
    let refused = strict.ledger.reserve(unknown()).await.unwrap_err();
    assert!(refused.to_string().contains("budget.prices.local/llama"), "{refused}");
    let ceiling = Config { unknown_price_ceiling: Some(serde_json::from_str("\"2\"").unwrap()), ..daily(1_000) };
    let hold = bed(ceiling).ledger.reserve(unknown()).await.unwrap();
    assert_eq!(hold.amount().nano_usd.0, 20 * 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_limit_waits_for_the_next_window_or_for_ever() {
    let bed = bed(daily(1_000));
    let Err(Error::Exhausted(refusal)) = bed.ledger.reserve(request(2_000, Some(0))).await else { panic!("too much") };
    assert_eq!(refusal.retry_in(NOON), None);
    bed.hold(1_000, Some(0)).await.truncated().await.unwrap();
    let Err(Error::Exhausted(refusal)) = bed.ledger.reserve(request(1, Some(0))).await else { panic!("too much") };
    let wait = refusal.retry_in(NOON).unwrap();
    bed.clock.advance(wait - Duration::from_millis(1));
    assert!(bed.ledger.reserve(request(1, Some(0))).await.is_err());
    bed.clock.advance(Duration::from_millis(1));
    assert!(bed.ledger.reserve(request(1, Some(0))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_answers_were_like_is_learnt_also_after_a_restart() {
    let bed = bed(daily(1_000_000));
    for output in [20, 30, 40, 50, 60, 70, 80, 90] {
        let mut hold = bed.hold(10, None).await;
        hold.told(used(20, output)).await.unwrap();
        hold.complete().await.unwrap();
    }
    let again = ledger(&bed.store, &bed.clock, 2, daily(1_000_000), Arc::new(NoWitness));
    for ledger in [&bed.ledger, &again] {
        let hold = ledger.reserve(request(10, None)).await.unwrap();
        assert_eq!(hold.amount().tokens, Tokens(20 + 90));
        hold.release().await.unwrap();
    }
}

/// It is what it is, whatever was counted of earlier ones.
#[tokio::test(start_paused = true)]
async fn what_its_provider_counted_is_not_corrected() {
    let bed = bed(daily(1_000_000));
    for _ in 0..10 {
        let mut hold = bed.hold(10, None).await;
        hold.told(used(20, 5)).await.unwrap();
        hold.complete().await.unwrap();
    }
    for (is_counted, expected) in [(false, 20 + 5), (true, 10 + 5)] {
        let hold = bed.ledger.reserve(Request { is_counted, ..request(10, None) }).await.unwrap();
        assert_eq!(hold.amount().tokens, Tokens(expected), "{is_counted}");
        hold.release().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_near_a_limit_from_its_soft_share_on() {
    let bed = bed(daily(1_000));
    let near = async |input| bed.ledger.is_near_limit(request(input, Some(0))).await.unwrap();
    assert_eq!((near(799).await, near(800).await, near(1_001).await), (false, true, true));
    let held = bed.hold(500, Some(0)).await;
    assert_eq!((near(299).await, near(300).await), (false, true), "with what is reserved");
    held.release().await.unwrap();
    assert_eq!(bed.day().await, (0, 0), "nothing was put aside");
}

/// Knows of those that expected an even number of tokens.
struct Half;

#[async_trait]
impl Witness for Half {
    async fn used(&self, reservation: &Reservation) -> Option<Usage> {
        reservation.expected.input.is_multiple_of(2).then(|| used(1, 1))
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_is_settled_by_what_is_known_or_expected() {
    let bed = bed(daily(1_000));
    // Forgotten, as by a process that is killed.
    std::mem::forget(bed.hold(10, Some(10)).await);
    std::mem::forget(bed.hold(11, Some(10)).await);
    let again = ledger(&bed.store, &bed.clock, 2, daily(1_000), Arc::new(Half));
    let alive = again.reserve(request(5, Some(5))).await.unwrap();
    let recovered = again.recover().await.unwrap();
    assert_eq!((recovered.told, recovered.estimated), (1, 1));
    assert_eq!(bed.day().await, (2 + 21, 10), "what is alive stays");
    assert_eq!(again.recover().await.unwrap().told, 0);
    alive.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_status_names_the_limit_that_binds_and_when_it_is_exhausted() {
    let bed = bed(daily(10_000));
    let limit = Limit {
        scope: "agent:*".parse().unwrap(),
        window: Span::Hour,
        tokens: Some(Tokens(400)),
        usd: None,
        expires_at: None,
    };
    bed.ledger.set_limit(LOCAL, limit).await.unwrap();
    bed.hold(300, Some(0)).await.truncated().await.unwrap();
    let status = bed.ledger.status(LOCAL).await.unwrap();
    let binding = status.binding.unwrap();
    assert_eq!(
        (binding.scope.to_string(), binding.used_permille, binding.remaining_tokens),
        ("agent:coder".into(), 750, Some(Tokens(100)))
    );
    // 300 tokens in 1 h 34 min 56 s.
    assert_eq!(binding.per_hour.tokens, Tokens(189));
    assert_eq!(binding.exhausted_at, None, "the hour is over before");
    let day = status.limits.iter().find(|limit| limit.limit.window == Span::Day).unwrap();
    assert_eq!((day.forecast.tokens, day.exhausted_at), (Tokens(300 + 189 * 11 + 78), None));
}

#[tokio::test(start_paused = true)]
async fn a_report_adds_up_and_tells_what_could_be_saved() {
    let bed = bed(daily(10_000_000));
    for _ in 0..2 {
        let mut hold = bed.hold(1_000_000, Some(0)).await;
        hold.told(used(1_000_000, 0)).await.unwrap();
        hold.complete().await.unwrap();
        bed.clock.advance(Duration::from_secs(86_400));
    }
    let report = bed.ledger.report(LOCAL, By::Day, Some(NOON), None).await.unwrap();
    let rows: Vec<(&str, u64)> = report.rows.iter().map(|row| (row.name.as_str(), row.amount.nano_usd.0)).collect();
    assert_eq!(rows, [("2026-01-31", 1_000_000_000), ("2026-02-01", 1_000_000_000)]);
    assert_eq!((report.total.requests, report.total.amount.nano_usd.0), (2, 2_000_000_000));
    let saves: Vec<u64> = report.savings.iter().map(|saving| saving.saves_nano_usd.0).collect();
    assert!(saves.contains(&1_000_000_000), "in a batch, half of it: {saves:?}");
    assert!(saves.contains(&900_000_000), "half of it read from the cache at a tenth: {saves:?}");
    assert!(report.csv().contains("2026-01-31,1,0,1000000,0,0,0,0,1000000,1\r\n"), "{}", report.csv());
    let by_model = bed.ledger.report(LOCAL, By::Model, Some(NOON), None).await.unwrap();
    assert_eq!(by_model.rows[0].name, "anthropic/claude-haiku-4-5");
    assert!(bed.ledger.report(LOCAL, By::Day, Some(NOON), Some(NOON)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn another_configuration_counts_at_once() {
    let bed = bed(daily(100));
    assert!(bed.ledger.reserve(request(150, Some(0))).await.is_err());
    bed.ledger.reconfigure(&daily(200)).unwrap();
    assert!(bed.ledger.reserve(request(150, Some(0))).await.is_ok());
    assert!(bed.ledger.reconfigure(&Config { retention_days: 1, ..daily(1) }).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_limit_strains_from_its_soft_share_on_until_its_window_turns() {
    let bed = bed(Config { degrade: serde_json::from_str(r#"{ "throttlePerMinute": 1 }"#).unwrap(), ..daily(1_000) });
    let spender = request(0, None).spender;
    let strained = async || bed.ledger.strain(LOCAL, &spender).await.unwrap().map(|strain| strain.to_string());
    let is_degraded = async || bed.ledger.status(LOCAL).await.unwrap().limits.iter().any(|limit| limit.degraded);
    let mut hold = bed.hold(799, Some(1)).await;
    hold.told(used(799, 0)).await.unwrap();
    hold.complete().await.unwrap();
    assert_eq!((strained().await, is_degraded().await), (None, false));
    let mut hold = bed.hold(1, Some(1)).await;
    assert_eq!(strained().await, None, "what is reserved is not spent");
    hold.told(used(1, 0)).await.unwrap();
    hold.complete().await.unwrap();
    assert_eq!((strained().await.as_deref(), is_degraded().await), (Some("organisation per day"), true));
    let other = Spender::of("anthropic", "claude-haiku-4-5");
    let hourly: Limit = serde_json::from_str(r#"{ "scope": "agent:*", "window": "hour", "tokens": 810 }"#).unwrap();
    bed.ledger.set_limit(LOCAL, hourly).await.unwrap();
    assert_eq!(strained().await.as_deref(), Some("agent:coder per hour"), "that of which most is spent");
    assert_eq!(bed.ledger.strain(LOCAL, &other).await.unwrap().unwrap().to_string(), "organisation per day");
    bed.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!((strained().await, is_degraded().await), (None, false));
}

/// 2026-01-31, as at [`NOON`], at six in the morning.
const SIX: Timestamp = Timestamp(NOON.millis() - (6 * 60 * 60 + 34 * 60 + 56) * 1_000);

async fn spend(bed: &Bed, tokens: u64) {
    let mut hold = bed.hold(tokens, Some(0)).await;
    hold.told(used(tokens, 0)).await.unwrap();
    hold.complete().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pace_that_exhausts_a_limit_is_told_once_until_it_is_clearly_slower() {
    let (log, clock) = (Arc::new(MemoryLog::default()), Arc::new(PausedClock::at(SIX)));
    let store = Arc::new(MemoryStore::new(log.clone()));
    let config = Config { weekly: None, monthly: None, ..daily(1_000) };
    let ledger = ledger(&store, &clock, 1, config, Arc::new(NoWitness));
    let bed = Bed { ledger, store, clock };
    let hour = Duration::from_secs(60 * 60);
    let told = async || {
        bed.ledger.note_paces().await.unwrap();
        let events = log.read(LOCAL, 0, 100).await.unwrap();
        events.iter().filter(|event| event.name == "budget.pace").count()
    };
    let mut counts = Vec::new();
    for tokens in [10, 200, 200, 50, 0] {
        spend(&bed, tokens).await;
        bed.clock.advance(hour);
        counts.push(told().await);
    }
    assert_eq!(counts, [0, 0, 1, 1, 1], "once, when both paces are too fast");
    let status = bed.ledger.status(LOCAL).await.unwrap();
    assert!(!status.limits[0].pace.burning, "nothing was spent lately: {:?}", status.limits[0].pace);
    spend(&bed, 200).await;
    assert_eq!(told().await, 2, "and again");
    bed.clock.advance(24 * hour);
    assert_eq!(told().await, 2);
}

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use orchestrator_process::Host;
use orchestrator_redact::Redactor;
use orchestrator_vocab::{Clock, OrgId};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::http::Asks;
use crate::info::Tally;
use crate::program::Runs;
use crate::{
    Answer, Config, Custom, Decision, Event, Failed, Hook, HookInfo, Input, InvalidConfig, Kind, Last, Outcome,
    Verdict, builtin, in_order,
};

/// Told of each run of a hook.
pub type Listener = Arc<dyn Fn(&Ran) + Send + Sync>;

/// One run of a hook.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// Which.
    pub hook: String,
    /// For which event.
    pub event: Event,
    /// Whose it was.
    pub org: OrgId,
    /// What it came to.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// Why it was in the way or failed, without secrets.
    pub reason: Option<String>,
}

/// What hooks are made of.
#[derive(Clone)]
pub struct Parts {
    /// The operator's.
    pub config: Config,
    /// Hooks of the program that embeds this.
    pub more: Vec<Hook>,
    /// What hides secrets in reasons, and finds them for the guard `secrets`.
    pub redactor: Redactor,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What starts hooks that are programs.
    pub host: Host,
    /// Told of each run.
    pub listener: Listener,
}

/// Every hook there is. Cheap to clone.
#[derive(Clone)]
pub struct Hooks(Arc<Inner>);

struct Inner {
    /// In the order in which they are asked.
    hooks: Vec<(Hook, Tally)>,
    running: Semaphore,
    redactor: Redactor,
    clock: Arc<dyn Clock>,
    listener: Listener,
}

impl Hooks {
    /// Starts nothing.
    ///
    /// # Errors
    /// [`InvalidConfig`], also for two hooks of one name.
    pub fn new(parts: Parts) -> Result<Self, InvalidConfig> {
        let Parts { config, more, redactor, clock, host, listener } = parts;
        config.validate()?;
        let mut hooks = builtin::hooks(&config, &redactor);
        for (name, custom) in &config.custom {
            hooks.push(custom_hook(name, custom, &host, (&clock, &redactor))?);
        }
        hooks.extend(more);
        in_order(&mut hooks);
        let mut names = std::collections::BTreeSet::new();
        if let Some(twice) = hooks.iter().find(|hook| !names.insert(hook.name.clone())) {
            let problem = "there is another hook of this name".to_owned();
            return Err(InvalidConfig { field: format!("custom.{}", twice.name), problem });
        }
        let hooks = hooks.into_iter().map(|hook| (hook, Tally::default())).collect();
        let running = Semaphore::new(config.running_max);
        Ok(Self(Arc::new(Inner { hooks, running, redactor, clock, listener })))
    }

    /// Whether any hook is run for one of these events.
    pub fn any(&self, events: &[Event]) -> bool {
        self.0.hooks.iter().any(|(hook, _)| events.iter().any(|event| hook.events.contains(event)))
    }

    /// Asks, one after the other, those that are run for one of these events, until one denies it. One that fails, or takes too
    /// long, denies it. Each is told the arguments as the one before left them.
    pub async fn decide(&self, events: &[Event], mut input: Input) -> Decision {
        let mut decision = Decision::default();
        if input.by_a_hook {
            return decision;
        }
        for (hook, tally) in &self.0.hooks {
            let Some(event) = hook.wants(events, &input) else { continue };
            let answer = self.run(hook, tally, event, &input).await;
            decision.take(&hook.name, answer.unwrap_or_else(|failed| Answer::deny(format!("it failed: {failed}"))));
            if decision.is_final() {
                break;
            }
            if let (Some(tool), Some(changed)) = (&mut input.tool, &decision.input) {
                tool.input.clone_from(changed);
            }
        }
        decision
    }

    /// Tells, all at once, those that are run for one of these events, and returns when they have heard it. What they want the
    /// agent to know is the answer; nothing else that they say changes anything.
    pub async fn observe(&self, events: &[Event], input: Input) -> Vec<String> {
        if input.by_a_hook {
            return Vec::new();
        }
        let wanting = self.0.hooks.iter().enumerate();
        let wanting =
            wanting.filter_map(|(place, (hook, tally))| Some((place, hook, tally, hook.wants(events, &input)?)));
        let mut telling: FuturesUnordered<_> = wanting
            .map(|(place, hook, tally, event)| {
                let input = &input;
                async move { (place, self.run(hook, tally, event, input).await) }
            })
            .collect();
        let mut heard = Vec::new();
        while let Some((place, answer)) = telling.next().await {
            if let Ok(answer) = answer {
                heard.push((place, answer));
            }
        }
        heard.sort_by_key(|(place, _)| *place);
        heard.into_iter().flat_map(|(_, answer)| said_afterwards(answer)).collect()
    }

    /// All of them, in the order in which they are asked.
    pub fn list(&self) -> Vec<HookInfo> {
        self.0.hooks.iter().map(|(hook, tally)| info(hook, tally)).collect()
    }

    async fn run(&self, hook: &Hook, tally: &Tally, event: Event, input: &Input) -> Result<Answer, Failed> {
        let begun = Instant::now();
        let running = async {
            let closed = |_| Failed("hooks are not run any more".to_owned());
            let _place = self.0.running.acquire().await.map_err(closed)?;
            hook.handler.run(event, input).await
        };
        let answer = match timeout(hook.timeout, running).await {
            Ok(answer) => answer.map(Answer::bounded),
            Err(_) => Err(Failed(format!("it took longer than {} ms", hook.timeout.as_millis()))),
        };
        let ran = self.ran(hook, event, input, begun.elapsed(), &answer);
        tally.add(Last {
            at: self.0.clock.now(),
            outcome: ran.outcome,
            duration_ms: u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX),
            reason: ran.reason.clone(),
        });
        (self.0.listener)(&ran);
        answer
    }

    fn ran(
        &self,
        hook: &Hook,
        event: Event,
        input: &Input,
        duration: Duration,
        answer: &Result<Answer, Failed>,
    ) -> Ran {
        let (outcome, reason) = match answer {
            Err(failed) => (Outcome::Failed, Some(failed.0.as_str())),
            Ok(answer) => match answer.verdict {
                Some(Verdict::Deny) => (Outcome::Blocked, answer.reason.as_deref()),
                Some(Verdict::Ask) => (Outcome::Asked, answer.reason.as_deref()),
                Some(Verdict::Allow) | None => (Outcome::Passed, None),
            },
        };
        let reason = reason.map(|reason| self.0.redactor.redact(reason).into_owned());
        Ran { hook: hook.name.clone(), event, org: input.org, outcome, duration, reason }
    }
}

/// It has happened: who blocks it wants the agent to know why.
fn said_afterwards(answer: Answer) -> impl Iterator<Item = String> {
    let blocked = answer.reason.filter(|_| answer.verdict == Some(Verdict::Deny));
    blocked.into_iter().chain(answer.context)
}

fn custom_hook(
    name: &str,
    custom: &Custom,
    host: &Host,
    (clock, redactor): (&Arc<dyn Clock>, &Redactor),
) -> Result<Hook, InvalidConfig> {
    let events = custom.events.clone();
    let hook = match (&custom.program, &custom.http) {
        (Some(program), _) => {
            let runs = Runs::new(name.to_owned(), program.clone(), host.clone(), redactor.clone());
            Hook::of(name.to_owned(), Kind::Program, events, Arc::new(runs))
        }
        (None, Some(http)) => {
            let asks = Asks::new(http, clock.clone(), redactor.clone())?;
            Hook::of(name.to_owned(), Kind::Http, events, Arc::new(asks))
        }
        (None, None) => {
            let problem = "expected `program` or `http`".to_owned();
            return Err(InvalidConfig { field: format!("custom.{name}.program"), problem });
        }
    };
    Ok(Hook { tools: custom.tools.clone(), priority: custom.priority, timeout: custom.timeout(), ..hook })
}

fn info(hook: &Hook, tally: &Tally) -> HookInfo {
    let counts = tally.read();
    HookInfo {
        name: hook.name.clone(),
        kind: hook.kind,
        events: hook.events.iter().copied().collect(),
        tools: hook.tools.iter().map(ToString::to_string).collect(),
        priority: hook.priority,
        timeout_ms: u64::try_from(hook.timeout.as_millis()).unwrap_or(u64::MAX),
        runs: counts.runs,
        blocked: counts.blocked,
        asked: counts.asked,
        failed: counts.failed,
        last: counts.last,
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.hooks.iter().map(|(hook, _)| hook)).finish()
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use orchestrator_process::{Exit, Handle, Input, Output, Process, Stream};
use orchestrator_sessions::{Desk, Ending, Entry, Error, Halt, Numbered, Outcome, Runtime};
use orchestrator_vocab::{Actor, Clock, Tokens};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::heard::Heard;
use crate::hearing::{Effect, Hearing};
use crate::journal::{self, Past};
use crate::outcome::outcome;
use crate::permission::{self, Asked, Permissions, Verdict};
use crate::secrecy::Secrecy;
use crate::{Claude, said};

/// Lines that wait for an agent that does not read.
const SAYINGS_MAX: usize = 1_024;
/// Entries of a journal that are read at once.
const PAGE: usize = 200;
/// While somebody is asked for leave, the session shows that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// Of standard error, how many of the last lines are kept, and how much of each.
const TAIL_LINES_MAX: usize = 20;
const TAIL_LINE_CHARS_MAX: usize = 300;

/// A coding agent, run as it is configured.
#[derive(Clone)]
pub struct CodingAgent {
    config: Claude,
    permissions: Permissions,
    secrecy: Secrecy,
    clock: Arc<dyn Clock>,
}

impl CodingAgent {
    /// Starts nothing. `permissions` answers what it asks leave for.
    pub fn new(config: Claude, permissions: Permissions, clock: Arc<dyn Clock>) -> Self {
        Self { config, permissions, secrecy: Secrecy::default(), clock }
    }

    /// With how confidential is what its tools say.
    #[must_use]
    pub fn labelled(self, secrecy: Secrecy) -> Self {
        Self { secrecy, ..self }
    }
}

impl fmt::Debug for CodingAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodingAgent").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Runtime for CodingAgent {
    fn name(&self) -> &'static str {
        self.config.dialect.as_str()
    }

    fn grace(&self) -> Duration {
        self.config.grace()
    }

    fn is_journaled(&self) -> bool {
        true
    }

    fn validate(&self) -> Result<(), Error> {
        self.config.validate()
    }

    async fn run(&self, desk: Desk) -> Outcome {
        Box::pin(self.work(&desk)).await.unwrap_or_else(|outcome| outcome)
    }
}

impl CodingAgent {
    async fn work(&self, desk: &Desk) -> Result<Outcome, Outcome> {
        let mut past = Past::of(&desk.journal().all().await.map_err(unwritten)?);
        let halt = Arc::new(Signals::default());
        desk.halts(halt.clone());
        let mut is_first = true;
        loop {
            let mut run = Run::start(self, desk, &past, &halt).await?;
            let (exit, ending) = Box::pin(run.attend(&past, is_first)).await?;
            let is_forgotten = past.conversation.is_some() && run.hearing.conversation.is_none();
            if is_forgotten && ending.is_none() && !exit.is_success() && is_first {
                // It does not know its conversation any more.
                run.write(journal::forgotten()).await?;
                (past.conversation, is_first) = (None, false);
                continue;
            }
            let stderr = run.stderr.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
            return Ok(outcome(run.hearing, &exit, ending, &stderr, &self.config, self.clock.now()));
        }
    }
}

/// Whoever lost the session stops; what could not be stored is read again when it goes on.
fn unwritten(error: Error) -> Outcome {
    match error {
        Error::Stale(_) | Error::Ended(_) => Outcome::Lost,
        error => {
            let actor = Actor::system("runtime-claude");
            Outcome::Released { reason: format!("the journal: {error}"), actor, run_at: None }
        }
    }
}

/// The whole tree stands still.
#[derive(Default)]
struct Signals(Mutex<Option<Handle>>);

impl Signals {
    fn handle(&self) -> Option<Handle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Halt for Signals {
    async fn pause(&self) -> bool {
        match self.handle() {
            Some(handle) => handle.pause().await.is_ok(),
            None => false,
        }
    }

    async fn resume(&self) -> bool {
        match self.handle() {
            Some(handle) => handle.resume().await.is_ok(),
            None => false,
        }
    }
}

/// An answer to what was asked leave for.
struct Answered {
    request: String,
    call: String,
    input: Value,
    verdict: Verdict,
}

/// One process of an agent.
struct Run<'a> {
    agent: &'a CodingAgent,
    desk: &'a Desk,
    process: Process,
    /// Dropped, the agent's input ends.
    say: Option<mpsc::Sender<Value>>,
    sayings: Option<(mpsc::Receiver<Value>, Input)>,
    hearing: Hearing,
    asked: FuturesUnordered<BoxFuture<'static, Answered>>,
    withdrawn: BTreeSet<String>,
    /// The number of the last entry that was looked at for what people said.
    read: u64,
    stderr: VecDeque<String>,
    is_within_line: bool,
}

impl<'a> Run<'a> {
    async fn start(agent: &'a CodingAgent, desk: &'a Desk, past: &Past, halt: &Signals) -> Result<Self, Outcome> {
        let spec = agent.config.spec(desk.session(), past.conversation.as_deref());
        let mut process = desk.spawn(&agent.config.sandbox, spec).await.map_err(|error| {
            let text = format!("the agent cannot be started: {error}");
            match error.is_retryable() {
                true => Outcome::Released { reason: text, actor: Actor::system("runtime-claude"), run_at: None },
                false => Outcome::Failed { error: text },
            }
        })?;
        *halt.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(process.handle());
        let (say, sayings) = mpsc::channel(SAYINGS_MAX);
        let input = process.take_input();
        Ok(Self {
            agent,
            desk,
            process,
            say: Some(say),
            sayings: input.map(|input| (sayings, input)),
            hearing: Hearing::new(agent.config.dialect.as_str(), agent.secrecy.clone()),
            asked: FuturesUnordered::new(),
            withdrawn: BTreeSet::new(),
            read: past.told,
            stderr: VecDeque::new(),
            is_within_line: false,
        })
    }

    /// Until the agent's processes have ended.
    async fn attend(&mut self, past: &Past, is_first: bool) -> Result<(Exit, Option<Ending>), Outcome> {
        let (handle, mut inputs) = (self.process.handle(), self.desk.inputs());
        if is_first {
            self.desk.started(Some(handle.id())).await;
        }
        self.greet(past).await?;
        let writer = write_all(self.sayings.take());
        tokio::pin!(writer);
        let (mut ending, mut grace, mut stop_at): (Option<Ending>, _, Option<Instant>) = (None, Duration::MAX, None);
        let (mut stops, mut is_written, desk) = (FuturesUnordered::new(), false, self.desk);
        loop {
            tokio::select! {
                output = self.process.next() => match output {
                    Some(output) => {
                        if self.heard(output).await? {
                            stop_at = Some(Instant::now() + self.agent.config.grace());
                        }
                    }
                    None => break,
                },
                () = &mut writer, if !is_written => is_written = true,
                Some(answered) = self.asked.next(), if !self.asked.is_empty() => self.answer(answered).await?,
                () = tokio::time::sleep(SIGN_OF_LIFE), if !self.asked.is_empty() => desk.alive(),
                Ok(()) = inputs.changed(), if self.say.is_some() => drop(self.tell().await?),
                asked = desk.asked_to_end_within(grace) => {
                    grace = asked.grace;
                    match ending {
                        None => {
                            // It may finish what it does, and say how far it is.
                            self.say(said::interrupt());
                            self.say = None;
                            stop_at = Some(Instant::now() + grace / 2);
                        }
                        Some(_) => stops.push(handle.stop(grace)),
                    }
                    ending.get_or_insert(asked);
                }
                () = until(stop_at), if stop_at.is_some() => {
                    stop_at = None;
                    stops.push(handle.stop(self.agent.config.grace().min(grace) / 2));
                }
                Some(()) = stops.next(), if !stops.is_empty() => {}
            }
        }
        let waiting = self.process.wait();
        tokio::pin!(waiting);
        let exit = loop {
            tokio::select! {
                exit = &mut waiting => break exit,
                asked = desk.asked_to_end_within(grace) => {
                    grace = asked.grace;
                    stops.push(handle.stop(grace));
                    ending.get_or_insert(asked);
                }
                () = until(stop_at), if stop_at.is_some() => {
                    stop_at = None;
                    stops.push(handle.stop(self.agent.config.grace().min(grace) / 2));
                }
                Some(()) = stops.next(), if !stops.is_empty() => {}
            }
        };
        if !exit.survivors.is_empty() {
            tracing::warn!(session = %desk.session().id, pids = ?exit.survivors, "processes of an agent do not end");
        }
        desk.exited(orchestrator_sessions::Exit { code: exit.code, signal: exit.signal });
        Ok((exit, ending))
    }

    /// The task, or that it goes on, and what people said meanwhile.
    async fn greet(&mut self, past: &Past) -> Result<(), Outcome> {
        let (desk, agent) = (self.desk, self.agent);
        let config = &agent.config;
        let task = journal::task(desk.document());
        if past.has_begun {
            self.write(journal::noted("resumed", json!({ "conversation": past.conversation }))).await?;
        } else {
            let profile = json!({ "dialect": config.dialect, "model": config.model, "permissionMode": config.permission_mode,
                "disallowedTools": config.disallowed_tools, "turnsMax": config.turns_max, "budgetUsd": config.budget_usd });
            self.write(journal::began(config.dialect.as_str(), profile, &task, desk.document_label())).await?;
        }
        self.say(said::initialize());
        self.say(said::user(if past.conversation.is_some() { said::GO_ON } else { &task }));
        self.tell().await.map(drop)
    }

    /// Tells the agent what people said since, and how much that was.
    async fn tell(&mut self) -> Result<usize, Outcome> {
        let mut told = 0;
        loop {
            let page = self.desk.journal().read(self.read, PAGE).await.map_err(unwritten)?;
            let is_last = page.len() < PAGE;
            for Numbered { number, entry, .. } in page {
                self.read = number;
                if let Entry::Input { content, .. } = entry {
                    self.say(said::user(&journal::words(&content)));
                    // Told twice is better than never, if there is a crash between the two.
                    self.write(journal::told(number)).await?;
                    told += 1;
                }
            }
            if is_last {
                return Ok(told);
            }
        }
    }

    /// Takes a line. Whether the agent has nothing more to do.
    async fn heard(&mut self, output: Output) -> Result<bool, Outcome> {
        let Output::Line { stream, text, ended } = output else { return Ok(false) };
        if stream == Stream::Stderr {
            self.complains(text);
            return Ok(false);
        }
        let is_whole = !self.is_within_line && ended;
        self.is_within_line = !ended;
        let Some(heard) = is_whole.then(|| Heard::parse(&text)).flatten() else {
            self.desk.alive();
            return Ok(false);
        };
        let mut is_over = false;
        let mut entries = Vec::new();
        for effect in self.hearing.hear(heard, Instant::now()) {
            match effect {
                Effect::Publish(name, facts) => self.desk.publish(name, facts),
                Effect::Said(text) => self.desk.said(&text),
                Effect::Usage(input, output) => self.desk.add_usage(Tokens(input), Tokens(output)),
                Effect::Write(entry) => entries.push(entry),
                Effect::Ask { request, call, tool, input, why } => self.ask(request, call, tool, input, why),
                Effect::Unable { request, what } => self.say(said::unable(&request, &what)),
                Effect::Withdraw { request } => drop(self.withdrawn.insert(request)),
                Effect::Over => is_over = true,
            }
        }
        for entry in entries {
            self.write(entry).await?;
        }
        if is_over && self.say.is_some() && self.tell().await? > 0 {
            return Ok(false);
        }
        if is_over {
            // The end of its input is how it is told that there is nothing more.
            self.say = None;
        }
        Ok(is_over)
    }

    fn complains(&mut self, text: String) {
        self.desk.alive();
        if self.stderr.len() == TAIL_LINES_MAX {
            self.stderr.pop_front();
        }
        let line: String = text.chars().take(TAIL_LINE_CHARS_MAX).collect();
        self.stderr.push_back(self.desk.filtered(line));
    }

    fn ask(&mut self, request: String, call: String, tool: String, input: Value, why: Option<String>) {
        let session = self.desk.session();
        let asked = Asked {
            org: session.org,
            session: session.id,
            task: session.task,
            agent: session.agent.clone(),
            call: call.clone(),
            tool,
            input: input.clone(),
            label: self.desk.label(),
            why,
        };
        let permissions = self.agent.permissions.clone();
        let patience = Duration::from_millis(self.agent.config.permission_timeout_ms);
        self.asked.push(Box::pin(async move {
            let verdict = permission::ask(permissions, asked, patience).await;
            Answered { request, call, input, verdict }
        }));
    }

    async fn answer(&mut self, answered: Answered) -> Result<(), Outcome> {
        let Answered { request, call, input, verdict } = answered;
        if self.withdrawn.remove(&request) {
            return Ok(());
        }
        let (allowed, reason) = match &verdict {
            Verdict::Allow { reason, .. } => (true, reason.clone()),
            Verdict::Deny { reason } => (false, reason.clone()),
        };
        self.write(Entry::Decided { call, allowed, reason }).await?;
        self.say(said::verdict(&request, &input, &verdict));
        Ok(())
    }

    /// An agent that does not read is not waited for: it is told less, and its time runs out.
    fn say(&self, line: Value) {
        let Some(say) = &self.say else { return };
        if say.try_send(line).is_err() {
            tracing::warn!(session = %self.desk.session().id, "an agent does not read what it is told");
        }
    }

    /// What is too large for the journal is noted without its content.
    async fn write(&mut self, entry: Entry) -> Result<(), Outcome> {
        let kind = entry.kind();
        match self.desk.journal().append(vec![entry]).await {
            Err(Error::Invalid { problem, .. }) => {
                let note = journal::noted("tooLarge", json!({ "entry": kind, "problem": problem }));
                self.desk.journal().append(vec![note]).await.map(drop).map_err(unwritten)
            }
            written => written.map(drop).map_err(unwritten),
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A line each. An agent that has closed its input says by its end what became of it.
async fn write_all(sayings: Option<(mpsc::Receiver<Value>, Input)>) {
    let Some((mut sayings, mut input)) = sayings else { return };
    while let Some(line) = sayings.recv().await {
        if input.write(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

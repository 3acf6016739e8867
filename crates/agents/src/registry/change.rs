use std::sync::Arc;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::Tx;
use orchestrator_vocab::{Actor, AgentId, OrgId, Timestamp};
use serde_json::json;

use super::{Inner, Registry};
use crate::sql::{self, Row};
use crate::{Agent, Error, Kind, Registration, Restart, Status};

impl Registry {
    /// Announces a worker, or enables a configured program again. Saying the same twice changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::NoProgram`] if what it says about itself cannot be; [`Error::TooMany`];
    /// [`Error::Store`].
    pub async fn register(&self, org: OrgId, registration: Registration) -> Result<Agent, Error> {
        let inner = self.0.clone();
        let id = registration.agent.clone();
        if let (None, Some(problem)) = (inner.program(org, &id), inner.problem(org, &id)) {
            return Err(Error::Broken { agent: id, problem });
        }
        registration.check(inner.program(org, &id).as_deref())?;
        let registration = Arc::new(registration);
        let agent = self
            .0
            .database
            .write(move |tx| {
                let (inner, registration) = (inner.clone(), registration.clone());
                Box::pin(async move { inner.register(tx, org, &registration).await })
            })
            .await?;
        self.0.memory.mark_written(org, &id, self.0.clock.now());
        if self.profile(org, &id).is_some_and(|profile| profile.restart == Restart::Never) {
            self.0.memory.forget_failures(org, &id);
        }
        self.0.bump();
        Ok(self.get(org, &id).await.unwrap_or(agent))
    }

    /// Removes a worker, or disables a program or a defined agent until it is registered again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn unregister(
        &self,
        org: OrgId,
        id: &AgentId,
        actor: Actor,
        correlation: Option<String>,
    ) -> Result<(), Error> {
        let (inner, agent) = (self.0.clone(), id.clone());
        self.0
            .database
            .write(move |tx| {
                let (inner, agent, actor, correlation) =
                    (inner.clone(), agent.clone(), actor.clone(), correlation.clone());
                Box::pin(async move { inner.unregister(tx, org, &agent, actor, correlation).await })
            })
            .await?;
        self.0.memory.forget(org, id);
        self.0.bump();
        Ok(())
    }

    /// Takes a heartbeat or a claim as a sign of life; a worker that was lost is back by it.
    ///
    /// Signs of life in quick succession are written once per eighth of the heartbeat time-out. A program needs none.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn touch(&self, org: OrgId, id: &AgentId) -> Result<(), Error> {
        let now = self.0.clock.now();
        let span = self.0.configured().config.heartbeat_timeout() / 8;
        if self.0.program(org, id).is_some() || self.0.memory.was_written(org, id, now, span) {
            return Ok(());
        }
        let (inner, agent) = (self.0.clone(), id.clone());
        let is_back = self
            .0
            .database
            .write(move |tx| {
                let (inner, agent) = (inner.clone(), agent.clone());
                Box::pin(async move { inner.touch(tx, org, &agent, now).await })
            })
            .await?;
        self.0.memory.mark_written(org, id, now);
        if is_back {
            self.0.bump();
        }
        Ok(())
    }
}

impl Inner {
    async fn register(&self, tx: &Tx, org: OrgId, asked: &Registration) -> Result<Agent, Error> {
        let kind = self.program(org, &asked.agent).map_or(Kind::Worker, |program| program.kind());
        let is_program = kind != Kind::Worker;
        let before = sql::find(tx, org, &asked.agent).await?.filter(|row| row.kind == kind);
        let max = self.configured().config.workers_max;
        if before.is_none() && !is_program && sql::workers(tx, org).await? >= max {
            return Err(Error::TooMany { max });
        }
        let now = self.clock.now();
        let row = Row {
            org,
            id: asked.agent.clone(),
            kind,
            status: Status::Ready,
            description: asked.description.clone().filter(|_| !is_program).unwrap_or_default(),
            capabilities: asked.capabilities.clone(),
            max_concurrent: asked.max_concurrent,
            registered_at: before.as_ref().map_or(now, |row| row.registered_at),
            last_seen: now,
        };
        sql::put(tx, &row).await?;
        let is_news = before.is_none_or(|before| Row { last_seen: now, ..before } != row);
        let Some(agent) = self.of_row(row) else {
            // The configuration changed in this moment; what was written is as if it had been written before.
            return Err(Error::NotFound(asked.agent.clone()));
        };
        if is_news {
            let event = registered(&agent, now, asked.actor.clone(), asked.correlation.clone());
            SqlLog::append(tx, [event]);
        }
        Ok(agent)
    }

    async fn unregister(
        &self,
        tx: &Tx,
        org: OrgId,
        id: &AgentId,
        actor: Actor,
        correlation: Option<String>,
    ) -> Result<(), Error> {
        let row = sql::find(tx, org, id).await?;
        let now = self.clock.now();
        match (self.program(org, id), row) {
            (Some(program), Some(row)) if (row.kind, row.status) == (program.kind(), Status::Disabled) => return Ok(()),
            (Some(program), row) => {
                let row = row.filter(|row| row.kind == program.kind());
                let disabled = Row {
                    org,
                    id: program.id.clone(),
                    kind: program.kind(),
                    status: Status::Disabled,
                    description: String::new(),
                    capabilities: row.as_ref().and_then(|row| row.capabilities.clone()),
                    max_concurrent: row.as_ref().and_then(|row| row.max_concurrent),
                    registered_at: row.map_or(now, |row| row.registered_at),
                    last_seen: now,
                };
                sql::put(tx, &disabled).await?;
            }
            (None, _) if sql::delete(tx, org, id, Kind::Worker).await? => {}
            (None, _) => return Err(Error::NotFound(id.clone())),
        }
        let mut event = event(org, id, "agent.unregistered", now, actor);
        event.correlation = correlation;
        SqlLog::append(tx, [event]);
        Ok(())
    }

    /// Whether it had been lost.
    async fn touch(&self, tx: &Tx, org: OrgId, id: &AgentId, now: Timestamp) -> Result<bool, Error> {
        let row = sql::find(tx, org, id).await?.filter(|row| row.kind == Kind::Worker);
        let row = row.ok_or_else(|| Error::NotFound(id.clone()))?;
        let was_lost = row.status == Status::Lost;
        let row = Row { status: Status::Ready, last_seen: now.max(row.last_seen), ..row };
        sql::put(tx, &row).await?;
        if was_lost {
            SqlLog::append(tx, [registered(&self.of_worker(row), now, Actor::Agent(id.clone()), None)]);
        }
        Ok(was_lost)
    }
}

fn registered(agent: &Agent, now: Timestamp, actor: Actor, correlation: Option<String>) -> NewEvent {
    let mut event = event(agent.org, &agent.id, "agent.registered", now, actor);
    event.payload["kind"] = json!(agent.kind);
    event.payload["capabilities"] = json!(agent.capabilities);
    event.payload["maxConcurrent"] = json!(agent.max_concurrent);
    event.correlation = correlation;
    event
}

pub(super) fn event(org: OrgId, id: &AgentId, name: &'static str, now: Timestamp, actor: Actor) -> NewEvent {
    let mut event = NewEvent::new(org, name, now, actor, json!({ "agentId": id, "orgId": org }));
    event.subject = Some(id.to_string());
    event
}

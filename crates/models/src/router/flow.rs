use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream;
use orchestrator_transcript::{Accumulator, Stop, StopReason, StreamEvent, Usage};

use super::opening::{self, Leave, Opened, Unopened};
use super::record::Record;
use super::{Answer, Chosen, Inner};
use crate::{ChatStream, Error, ErrorKind, ProviderError, Request, Target};

/// An answer under way.
struct Flow {
    inner: Arc<Inner>,
    request: Request,
    record: Record,
    target: Target,
    events: VecDeque<StreamEvent>,
    rest: ChatStream,
    leave: Option<Leave>,
    /// What came so far of the present turn.
    turn: Accumulator,
    /// Added to the places of blocks, and to the usage: what earlier turns of the same answer took.
    places: u32,
    next_place: u32,
    used: Usage,
    continuations: u32,
}

pub(super) async fn begin(
    inner: Arc<Inner>,
    request: Request,
    chosen: Chosen,
    mut record: Record,
) -> Result<Answer, Error> {
    let trace = record.id();
    let order: Vec<Target> = chosen.decision.order.iter().map(|number| chosen.targets[*number].clone()).collect();
    let opened = match Box::pin(opening::open(&inner, &order, &request, &mut record)).await {
        Ok(opened) => opened,
        Err(Unopened { last: Some((target, source)), retry_in }) => {
            record.failed(None);
            return Err(Error::Failed { target, source: source.into(), retry_in, trace });
        }
        Err(Unopened { last: None, .. }) => {
            let skipped = record.all_skipped();
            record.none();
            return Err(Error::NoCandidate { skipped, trace });
        }
    };
    record.answers(&opened.target);
    let Opened { target, events, rest, leave } = opened;
    let flow = Flow {
        turn: Accumulator::new(request.label()),
        inner,
        request,
        record,
        target: target.clone(),
        events,
        rest,
        leave: Some(leave),
        places: 0,
        next_place: 0,
        used: Usage::default(),
        continuations: 0,
    };
    let stream = stream::unfold(Some(flow), |flow| async {
        let mut flow = flow?;
        match Box::pin(flow.next()).await {
            Ok(event) => {
                let is_last = matches!(event, StreamEvent::End { .. });
                Some((Ok(event), Some(flow).filter(|_| !is_last)))
            }
            Err(error) => {
                flow.fail(&error);
                Some((Err(error), None))
            }
        }
    });
    Ok(Answer { stream: ChatStream::new(stream), target, trace })
}

impl Flow {
    async fn next(&mut self) -> Result<StreamEvent, ProviderError> {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.rest.next().await.unwrap_or_else(|| Err(opening::truncated()))?,
            };
            let checked = self.turn.push(event.clone());
            checked.map_err(|error| ProviderError::new(ErrorKind::Malformed, error.to_string()))?;
            match event {
                // Continued turns are one answer.
                StreamEvent::Start { .. } if self.continuations > 0 => {}
                StreamEvent::End { stop } => {
                    if let Some(event) = self.end(stop).await? {
                        return Ok(event);
                    }
                }
                event => return Ok(self.shifted(event)),
            }
        }
    }

    fn shifted(&mut self, event: StreamEvent) -> StreamEvent {
        match event {
            StreamEvent::BlockStart { index, block } => {
                let index = self.places.saturating_add(index);
                self.next_place = index.saturating_add(1);
                StreamEvent::BlockStart { index, block }
            }
            StreamEvent::Delta { index, delta } => {
                StreamEvent::Delta { index: self.places.saturating_add(index), delta }
            }
            StreamEvent::BlockStop { index } => StreamEvent::BlockStop { index: self.places.saturating_add(index) },
            StreamEvent::Usage { usage } => {
                let usage = self.used + usage;
                self.record.used(usage);
                StreamEvent::Usage { usage }
            }
            event @ (StreamEvent::Start { .. } | StreamEvent::End { .. }) => event,
        }
    }

    /// The end, or `None` if the turn was only paused and goes on.
    async fn end(&mut self, stop: Stop) -> Result<Option<StreamEvent>, ProviderError> {
        if let Some(leave) = self.leave.take() {
            leave.succeeded();
        }
        if stop.reason != StopReason::PauseTurn || self.continuations >= self.inner.limits.continuations_max {
            self.record.ended(&stop);
            return Ok(Some(StreamEvent::End { stop }));
        }
        let said = std::mem::replace(&mut self.turn, Accumulator::new(self.request.label()));
        let reply = said.finish().map_err(|_| opening::truncated())?;
        self.used += reply.usage;
        self.request.messages.push(reply.message);
        self.places = self.next_place;
        self.continuations += 1;
        self.record.continued();
        // Only whoever has begun can go on.
        let order = [self.target.clone()];
        let opened = Box::pin(opening::open(&self.inner, &order, &self.request, &mut self.record)).await;
        let opened = opened.map_err(|failure| match failure.last {
            Some((_, error)) => error,
            None => ProviderError::new(ErrorKind::Overloaded, "the provider is left alone, its turn is not finished"),
        })?;
        (self.events, self.rest, self.leave) = (opened.events, opened.rest, Some(opened.leave));
        Ok(None)
    }

    fn fail(&mut self, error: &ProviderError) {
        if let Some(leave) = self.leave.take() {
            leave.failed(error);
        }
        self.record.failed(Some(error));
    }
}

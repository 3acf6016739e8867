use std::future::ready;
use std::sync::Arc;

use futures::future::{BoxFuture, Either};
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use orchestrator_rpc::{Call, Frame, Incoming, Message, Reply, Request, Signal};
use tokio::time::Instant;

use super::dialect::{Dialect, Replies};
use crate::perform::perform;
use crate::shared::Shared;

/// The answer to one frame.
pub(crate) struct Answer {
    /// `None` if there is nothing to say.
    pub(crate) text: Option<String>,
    /// What is to be said about the connection's pace.
    pub(crate) limited: Option<Signal>,
    /// How many calls it answers.
    pub(crate) calls: usize,
}

/// A frame being answered.
pub(crate) type Running = BoxFuture<'static, Answer>;

/// Turns the frames of one connection into calls.
pub(crate) struct Calls {
    shared: Arc<Shared>,
    /// What all calls of the connection have in common.
    template: Call,
    made: u64,
}

/// What became of one message: its reply, if it wants one, and a word about the pace.
#[derive(Default)]
struct Outcome {
    reply: Option<Reply>,
    limited: Option<Signal>,
}

impl Calls {
    /// `template` carries the caller and, as its correlation, the connection's id.
    pub(crate) fn new(shared: Arc<Shared>, template: Call) -> Self {
        Self { shared, template, made: 0 }
    }

    /// What all calls had in common.
    pub(crate) fn into_template(self) -> Call {
        self.template
    }

    /// Begins to answer a frame. The second part is the number of calls.
    pub(crate) fn start(&mut self, dialect: Dialect, text: &str) -> (Running, usize) {
        let clock = self.shared.clock.clone();
        match dialect.decode(text) {
            Frame::Single(Incoming::Refused(reply)) => {
                let text = dialect.encode(&Replies::One(reply), &*clock);
                (ready(Answer { text, limited: None, calls: 1 }).boxed(), 1)
            }
            Frame::Single(Incoming::Message(message)) => {
                let outcome = self.call(message);
                let answer = async move {
                    let Outcome { reply, limited } = outcome.await;
                    let text = reply.and_then(|reply| dialect.encode(&Replies::One(reply), &*clock));
                    Answer { text, limited, calls: 1 }
                };
                (answer.boxed(), 1)
            }
            Frame::Batch(items) => {
                let calls = items.len();
                // Begun in order, run together, answered in order.
                let outcomes: FuturesOrdered<_> = items.into_iter().map(|item| self.reply(item)).collect();
                let answer = outcomes.collect::<Vec<_>>().map(move |mut outcomes| {
                    let limited = outcomes.iter_mut().find_map(|outcome| outcome.limited.take());
                    let replies = outcomes.into_iter().filter_map(|outcome| outcome.reply).collect();
                    Answer { text: dialect.encode(&Replies::Batch(replies), &*clock), limited, calls }
                });
                (answer.boxed(), calls)
            }
        }
    }

    fn reply(&mut self, item: Incoming) -> impl Future<Output = Outcome> + Send + use<> {
        match item {
            Incoming::Refused(reply) => Either::Left(ready(Outcome { reply: Some(reply), limited: None })),
            Incoming::Message(message) => Either::Right(self.call(message)),
        }
    }

    fn call(&mut self, message: Message) -> impl Future<Output = Outcome> + Send + use<> {
        self.made += 1;
        let mut call = self.template.clone();
        if call.traceparent.is_none() {
            // The connection's id is a good prefix; a trace the client named stays as it is.
            call.correlation = format!("{}-{}", call.correlation, self.made);
        }
        call.deadline = Some(Instant::now() + self.shared.config.call_timeout);
        let shared = self.shared.clone();
        async move {
            let Message { id, method, params } = message;
            let outcome = perform(&shared, Request { call, method: method.clone(), params }).await;
            let limited = outcome.as_ref().err().and_then(|error| Signal::of_refusal(&method, error));
            Outcome { reply: id.map(|id| Reply { id, outcome }), limited }
        }
    }
}

use std::future::ready;
use std::sync::Arc;

use futures::future::{BoxFuture, Either};
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use orchestrator_rpc::{Call, Frame, Incoming, Message, Reply, Request};
use tokio::time::Instant;

use super::dialect::{Dialect, Replies};
use crate::perform::perform;
use crate::shared::Shared;

/// The answer to one frame.
pub(crate) struct Answer {
    /// `None` if there is nothing to say.
    pub(crate) text: Option<String>,
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

impl Calls {
    /// `template` carries the caller and, as its correlation, the connection's id.
    pub(crate) fn new(shared: Arc<Shared>, template: Call) -> Self {
        Self { shared, template, made: 0 }
    }

    /// Begins to answer a frame. The second part is the number of calls.
    pub(crate) fn start(&mut self, dialect: Dialect, text: &str) -> (Running, usize) {
        match dialect.decode(text) {
            Frame::Single(Incoming::Refused(reply)) => {
                let text = dialect.encode(&Replies::One(reply));
                (ready(Answer { text, calls: 1 }).boxed(), 1)
            }
            Frame::Single(Incoming::Message(message)) => {
                let reply = self.call(message);
                let answer = async move {
                    let text = reply.await.and_then(|reply| dialect.encode(&Replies::One(reply)));
                    Answer { text, calls: 1 }
                };
                (answer.boxed(), 1)
            }
            Frame::Batch(items) => {
                let calls = items.len();
                // Begun in order, run together, answered in order.
                let replies: FuturesOrdered<_> = items.into_iter().map(|item| self.reply(item)).collect();
                let answer = replies.collect::<Vec<_>>().map(move |replies| {
                    let replies = replies.into_iter().flatten().collect();
                    Answer { text: dialect.encode(&Replies::Batch(replies)), calls }
                });
                (answer.boxed(), calls)
            }
        }
    }

    fn reply(&mut self, item: Incoming) -> impl Future<Output = Option<Reply>> + Send + use<> {
        match item {
            Incoming::Refused(reply) => Either::Left(ready(Some(reply))),
            Incoming::Message(message) => Either::Right(self.call(message)),
        }
    }

    fn call(&mut self, message: Message) -> impl Future<Output = Option<Reply>> + Send + use<> {
        self.made += 1;
        let mut call = self.template.clone();
        if call.traceparent.is_none() {
            // The connection's id is a good prefix; a trace the client named stays as it is.
            call.correlation = format!("{}-{}", call.correlation, self.made);
        }
        call.deadline = Some(Instant::now() + self.shared.config.call_timeout);
        let shared = self.shared.clone();
        async move {
            let request = Request { call, method: message.method, params: message.params };
            let outcome = perform(&shared, request).await;
            message.id.map(|id| Reply { id, outcome })
        }
    }
}

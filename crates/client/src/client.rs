use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use orchestrator_rpc::Code;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::book::{Answer, Book, Call, Command, encode};
use crate::dialer::Dialer;
use crate::driver::Driver;
use crate::greeting::Token;
use crate::link::Inbox;
use crate::subscription::Control;
use crate::topic::{Claimed, Topic};
use crate::{CallOptions, Config, Error, Reconnect, Subscription, Topics};

/// Commands that may wait for the connection; further callers wait with them in hand.
const COMMANDS_QUEUED_MAX: usize = 256;

/// A connection to a daemon that comes back when it is lost. Cheap to clone; all clones share the one connection.
///
/// The connection is kept by a task of the runtime it was made in. It ends when the last clone is dropped, or when
/// [`Client::close`] is called, which also waits for it.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: mpsc::Sender<Command>,
    controls: mpsc::UnboundedSender<Control>,
    ids: Arc<AtomicU64>,
    token: Token,
    in_flight: Semaphore,
    ended: Arc<OnceLock<Error>>,
    call_timeout: Duration,
    retries_max: u32,
    events_queued_max: usize,
    reconnect: Reconnect,
    tracker: TaskTracker,
    stop: CancellationToken,
    _stops: DropGuard,
}

impl Client {
    /// Connects. This first attempt is the only one, so that a wrong address is told at once; from then on lost
    /// connections are made anew.
    ///
    /// # Errors
    /// The configuration is wrong, nobody answers, or the credential is not accepted.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let dialer = Dialer::new(&config)?;
        if config.resume_token.is_some() && config.token.is_none() {
            return Err(Error::InvalidConfig("a resume token is nothing without the token of its subject".into()));
        }
        let first = dialer.dial(config.resume_token.clone()).await?;
        let token = Token::new(config.resume_token.clone());
        let (commands, receiver) = mpsc::channel(COMMANDS_QUEUED_MAX);
        let (controls, control_receiver) = mpsc::unbounded_channel();
        let (ids, ended) = (Arc::new(AtomicU64::new(1)), Arc::new(OnceLock::new()));
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let driver = Driver {
            dialer,
            book: Book::new(ids.clone(), token.clone(), &config),
            inbox: Inbox { commands: receiver, controls: control_receiver },
            backoff: Backoff::new(config.reconnect.clone()),
            silence_max: config.silence_max,
            stop: stop.clone(),
            ended: ended.clone(),
        };
        tracker.spawn(driver.run(first));
        tracker.close();
        let shared = Shared {
            commands,
            controls,
            ids,
            token,
            in_flight: Semaphore::new(config.calls_in_flight_max.max(1)),
            ended,
            call_timeout: config.call_timeout,
            retries_max: config.retries_max,
            events_queued_max: config.events_queued_max.max(1),
            reconnect: config.reconnect,
            tracker,
            _stops: stop.clone().drop_guard(),
            stop,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Calls an operation: `client.call("task.get", &json!({"taskId": id}))`. Parameters `&()` mean none.
    ///
    /// A call that the daemon puts off is repeated after the time it asks for. One whose connection is lost is repeated if
    /// that does no harm, see [`Repeat`](crate::Repeat).
    ///
    /// # Errors
    /// [`Error::Refused`] with the daemon's answer, or that there is none.
    pub async fn call<P, R>(&self, method: &str, params: &P) -> Result<R, Error>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let params = to_raw_value(params).map_err(|error| Error::Parameters(Arc::new(error)))?;
        let result = self.call_raw(method, Some(params), CallOptions::default()).await?;
        serde_json::from_str(result.get())
            .map_err(|error| Error::Unexpected { method: method.to_owned(), source: Arc::new(error) })
    }

    /// Calls an operation, JSON in and JSON out.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_raw(&self, method: &str, params: Option<Box<RawValue>>, options: CallOptions) -> Answer {
        let span = options.timeout.unwrap_or(self.shared.call_timeout);
        let deadline = Instant::now() + span;
        let may_repeat = options.repeat.allows(method, params.as_deref());
        let attempts = self.attempts(method, params, may_repeat, deadline);
        timeout_at(deadline, Box::pin(attempts)).await.unwrap_or(Err(Error::Timeout(span)))
    }

    async fn attempts(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
        may_repeat: bool,
        deadline: Instant,
    ) -> Answer {
        let permit = self.shared.in_flight.acquire().await;
        let _permit = permit.expect("the semaphore is never closed");
        let attempts_max = Some(self.shared.retries_max);
        let mut backoff = Backoff::new(Reconnect { attempts_max, ..self.shared.reconnect.clone() });
        loop {
            let error = match self.attempt(method, params.clone(), may_repeat).await {
                Err(Error::Refused(error)) if is_put_off(&error, may_repeat) => error,
                outcome => return outcome,
            };
            match backoff.next(error.retry_after) {
                Some(delay) if Instant::now() + delay < deadline => sleep(delay).await,
                _ => return Err(Error::Refused(error)),
            }
        }
    }

    async fn attempt(&self, method: &str, params: Option<Box<RawValue>>, may_repeat: bool) -> Answer {
        let id = self.shared.ids.fetch_add(1, Ordering::Relaxed);
        let text = encode(Some(id), method, params).into();
        let (reply, answer) = oneshot::channel();
        self.send(Command::Call(Call { id, text, may_repeat, reply })).await?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Listens to events. The subscription survives lost connections; see [`Delivery`](crate::Delivery).
    ///
    /// # Errors
    /// The daemon refuses, or does not answer within [`Config::call_timeout`].
    pub async fn subscribe(&self, topics: Topics) -> Result<Subscription, Error> {
        let key = self.shared.ids.fetch_add(1, Ordering::Relaxed);
        let (feed, receiver) = mpsc::channel(self.shared.events_queued_max);
        let (opened, answer) = oneshot::channel();
        let behind = Arc::new(AtomicBool::new(false));
        let topic = Topic { opened: Some(opened), ..Topic::new(topics, feed, behind.clone()) };
        let mut subscription = Subscription {
            key,
            after_seq: 0,
            resumed: None,
            is_durable: topic.is_durable(),
            feed: receiver,
            behind,
            ack: topic.ack.clone(),
            controls: self.shared.controls.clone(),
        };
        let asked = async {
            self.send(Command::Subscribe(key, Box::new(topic))).await?;
            answer.await.unwrap_or_else(|_| Err(self.ended()))
        };
        let span = self.shared.call_timeout;
        let opened = tokio::time::timeout(span, asked).await.unwrap_or(Err(Error::Timeout(span)))?;
        (subscription.after_seq, subscription.resumed) = (opened.after_seq, opened.resumed);
        if let Some(Claimed { feed, behind, ack }) = opened.claimed {
            (subscription.feed, subscription.behind, subscription.ack) = (feed, behind, ack);
        }
        Ok(subscription)
    }

    /// What a later process has to show as [`Config::resume_token`] for its [`durable`](Topics::durable) subscriptions to go
    /// on where those of this client are. There is one from the first subscription on; it changes when a subscription says
    /// [`Resumption::WindowLost`](crate::Resumption::WindowLost). Worth nothing without a credential of the same subject;
    /// whoever shows both takes this client's window.
    pub fn resume_token(&self) -> Option<SecretString> {
        self.shared.token.get()
    }

    /// Says goodbye to the daemon and waits until nothing of the client is left. Calls in flight fail with
    /// [`Error::Closed`], subscriptions end.
    pub async fn close(self) {
        self.shared.stop.cancel();
        self.shared.tracker.wait().await;
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.shared.commands.send(command).await.map_err(|_| self.ended())
    }

    fn ended(&self) -> Error {
        self.shared.ended.get().cloned().unwrap_or(Error::Closed)
    }
}

/// Whether the daemon has not begun with the call and wants it later.
fn is_put_off(error: &orchestrator_rpc::Error, may_repeat: bool) -> bool {
    error.code == Code::RateLimited || (error.code == Code::Unavailable && may_repeat)
}

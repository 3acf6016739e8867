use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::{Call, Code, Error, Rest, Scope, parse_params};

type Reply = BoxFuture<'static, Result<Box<RawValue>, Error>>;
type Handler = dyn Fn(Call, Option<&RawValue>) -> Result<Reply, Error> + Send + Sync;

/// Something a client can call: a name, what it takes and gives, and what does it.
///
/// Cheap to clone; it is not called directly but by a [`Dispatcher`](crate::Dispatcher), which checks the caller first.
#[derive(Clone)]
pub struct Operation(Arc<Declared>);

#[derive(Clone)]
struct Declared {
    name: Cow<'static, str>,
    scope: Scope,
    summary: Cow<'static, str>,
    parameters: Schema,
    result: Schema,
    rest: Rest,
    errors: Vec<Code>,
    creating: bool,
    tool: bool,
    read_only: bool,
    free: bool,
    open: bool,
    socket_only: bool,
    handler: Arc<Handler>,
}

impl Operation {
    /// Declares an operation.
    ///
    /// `name` is `noun.verb` in lower camel case; `summary` is one line for people and models. `P` should be a
    /// camelCase struct that denies unknown fields ([`NoParams`](crate::NoParams) if there are none); the handler runs only
    /// with parameters that parsed. Its future is dropped when the caller goes away or the deadline passes.
    pub fn new<P, R, H, F>(
        name: impl Into<Cow<'static, str>>,
        scope: Scope,
        summary: impl Into<Cow<'static, str>>,
        handler: H,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        R: Serialize + JsonSchema + 'static,
        H: Fn(Call, P) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
    {
        let name = name.into();
        let (parameters, result) = (crate::schema::of_input::<P>(), crate::schema::of_output::<R>());
        let rest = Rest::of(&name, properties(&parameters));
        let handler = move |call: Call, params: Option<&RawValue>| -> Result<Reply, Error> {
            let answer = handler(call, parse_params(params)?);
            Ok(Box::pin(async move { to_raw_value(&answer.await?).map_err(Error::internal) }))
        };
        Self(Arc::new(Declared {
            name,
            scope,
            summary: summary.into(),
            parameters,
            result,
            rest,
            errors: Vec::new(),
            creating: false,
            tool: false,
            read_only: false,
            free: false,
            open: false,
            socket_only: false,
            handler: Arc::new(handler),
        }))
    }

    /// Marks that a call makes something: it takes `idempotencyKey` (a property its parameters must have), which
    /// arrives in [`Call::idempotency_key`].
    #[must_use]
    pub fn creates(self) -> Self {
        self.with(|declared| declared.creating = true)
    }

    /// Offers the operation to models, as a tool.
    #[must_use]
    pub fn tool(self) -> Self {
        self.with(|declared| declared.tool = true)
    }

    /// Promises that a call changes nothing, so that clients may repeat it.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.with(|declared| declared.read_only = true)
    }

    /// Exempts pings, heartbeats and acknowledgements from rate limits.
    #[must_use]
    pub fn free(self) -> Self {
        self.with(|declared| declared.free = true)
    }

    /// Lets everybody call it who can reach the daemon, without a credential and whatever their scopes: its parameters
    /// are what it trusts. Transports count such calls against the address.
    #[must_use]
    pub fn open(self) -> Self {
        self.with(|declared| declared.open = true)
    }

    /// Says that a call means something on a WebSocket only: it has no route under REST.
    #[must_use]
    pub fn on_sockets_only(self) -> Self {
        self.with(|declared| declared.socket_only = true)
    }

    /// Documents the codes that are this operation's own; those any call may answer go without saying.
    #[must_use]
    pub fn fails_with<const N: usize>(self, codes: [Code; N]) -> Self {
        self.with(|declared| declared.errors.extend(codes))
    }

    fn with(mut self, change: impl FnOnce(&mut Declared)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The name clients call, for example `task.create`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What a caller needs.
    pub fn scope(&self) -> Scope {
        self.0.scope
    }

    /// One line that says what it does.
    pub fn summary(&self) -> &str {
        &self.0.summary
    }

    /// The parameters as JSON Schema, draft 2020-12, self-contained.
    pub fn parameters(&self) -> &Schema {
        &self.0.parameters
    }

    /// The result as JSON Schema, draft 2020-12, self-contained.
    pub fn result(&self) -> &Schema {
        &self.0.result
    }

    /// Its place under REST; `None` if it means something on a WebSocket only.
    pub fn rest(&self) -> Option<&Rest> {
        (!self.0.socket_only).then_some(&self.0.rest)
    }

    /// The status of a success under REST: 201 for what makes one thing, else 200.
    pub fn success_status(&self) -> u16 {
        if self.is_creating() && self.name().ends_with(".create") { 201 } else { 200 }
    }

    /// The documented codes.
    pub fn errors(&self) -> &[Code] {
        &self.0.errors
    }

    /// Whether it takes an idempotency key.
    pub fn is_creating(&self) -> bool {
        self.0.creating
    }

    /// Whether models may be offered it.
    pub fn is_tool(&self) -> bool {
        self.0.tool
    }

    /// Whether it changes nothing.
    pub fn is_read_only(&self) -> bool {
        self.0.read_only
    }

    /// Whether rate limits do not count it.
    pub fn is_free(&self) -> bool {
        self.0.free
    }

    /// Whether it needs no credential; its scope means nothing then.
    pub fn is_open(&self) -> bool {
        self.0.open
    }

    /// The top-level properties of the parameters.
    pub(crate) fn properties(&self) -> Option<&Map<String, Value>> {
        properties(&self.0.parameters)
    }

    /// Parses the parameters and runs the handler, without asking whether the caller may: that is the dispatcher's work.
    ///
    /// # Errors
    /// Those of [`parse_params`], and the handler's.
    pub async fn call(&self, mut call: Call, params: Option<&RawValue>) -> Result<Box<RawValue>, Error> {
        if self.is_creating() {
            call.idempotency_key = one_key(call.idempotency_key, params)?;
        }
        (self.0.handler)(call, params)?.await
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operation({})", self.name())
    }
}

fn properties(schema: &Schema) -> Option<&Map<String, Value>> {
    schema.get("properties")?.as_object()
}

#[derive(Deserialize)]
struct Keyed {
    #[serde(rename = "idempotencyKey", default)]
    idempotency_key: Option<String>,
}

/// The key may come with the transport or in the parameters; two different ones are a mistake.
fn one_key(outer: Option<String>, params: Option<&RawValue>) -> Result<Option<String>, Error> {
    // What does not parse here is explained by the typed parser.
    let inner = params.and_then(|raw| serde_json::from_str::<Keyed>(raw.get()).ok()?.idempotency_key);
    match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            Err(Error::invalid_field("idempotencyKey", "differs from the one in the request's header"))
        }
        (outer, inner) => Ok(inner.or(outer)),
    }
}

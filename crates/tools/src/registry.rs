use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::schema::Schema;
use crate::{Config, Error, InvalidTool, Invocation, Mint, Output, Permit, Spec, Tool, ToolName};

/// Every tool there is, by where it comes from. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    config: Config,
    seal: Arc<crate::permit::Seal>,
    table: RwLock<Arc<Table>>,
    changed: watch::Sender<u64>,
}

type Table = BTreeMap<ToolName, Entry>;

#[derive(Clone)]
struct Entry {
    source: Arc<str>,
    tool: Arc<dyn Tool>,
    input: Arc<Schema>,
    output: Option<Arc<Schema>>,
}

impl Registry {
    /// A registry without tools, and the one mint whose permits it takes.
    pub fn new(config: Config) -> (Self, Mint) {
        let mint = Mint::new();
        let table = RwLock::new(Arc::new(Table::new()));
        let inner = Inner { config, seal: mint.0.clone(), table, changed: watch::Sender::new(0) };
        (Self(Arc::new(inner)), mint)
    }

    /// Puts these tools in the place of all that came from `source` before; none at all takes the source away. Calls under way
    /// go on.
    ///
    /// # Errors
    /// [`InvalidTool`]: a schema is none, or a name, also as models know it, is taken. Then nothing changes.
    pub fn replace(&self, source: &str, tools: Vec<Arc<dyn Tool>>) -> Result<(), InvalidTool> {
        let entries = tools.into_iter().map(|tool| entry(source, tool)).collect::<Result<Vec<_>, _>>()?;
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        let others = table.iter().filter(|(_, entry)| *entry.source != *source);
        let mut next: Table = others.map(|(name, entry)| (name.clone(), entry.clone())).collect();
        let mut taken: BTreeMap<String, ToolName> = next.keys().map(|name| (name.model_name(), name.clone())).collect();
        for entry in entries {
            let name = entry.tool.spec().name.clone();
            if let Some(other) = taken.insert(name.model_name(), name.clone()) {
                let problem = format!("models could not tell it from {other}");
                return Err(InvalidTool { tool: name, problem });
            }
            next.insert(name, entry);
        }
        *table = Arc::new(next);
        drop(table);
        self.0.changed.send_modify(|generation| *generation += 1);
        Ok(())
    }

    /// What is known of every tool, in the order of their names.
    pub fn list(&self) -> Vec<Arc<Spec>> {
        self.table().values().map(|entry| entry.tool.spec().clone()).collect()
    }

    /// What is known of a tool.
    pub fn get(&self, name: &ToolName) -> Option<Arc<Spec>> {
        self.table().get(name).map(|entry| entry.tool.spec().clone())
    }

    /// Where a tool comes from.
    pub fn source(&self, name: &ToolName) -> Option<Arc<str>> {
        self.table().get(name).map(|entry| entry.source.clone())
    }

    /// Changes its value whenever tools come or go.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Makes the call that is permitted: checks its arguments, bounds its time, and what it comes back with.
    ///
    /// # Errors
    /// As [`Error`] says. A permit of another registry permits nothing here.
    pub async fn call(&self, permit: Permit) -> Result<Output, Error> {
        let Permit { call, registry } = permit;
        let tool = call.tool.clone();
        if !Arc::ptr_eq(&registry, &self.0.seal) {
            return Err(Error::Refused(format!("the permit for {tool} is of another registry")));
        }
        let entry = self.table().get(&tool).cloned().ok_or_else(|| Error::Unknown(tool.clone()))?;
        self.check(&entry, &tool, &call.arguments)?;
        if call.context.cancel.is_cancelled() {
            return Err(Error::Cancelled(tool));
        }
        let spec = entry.tool.spec().clone();
        let limit = spec.timeout_ms.min(self.0.config.timeout_ms_max);
        let cancel = call.context.cancel.child_token();
        // Whoever waits no more, for whatever reason, wants the tool to end what it started.
        let _ended = cancel.clone().drop_guard();
        let mut context = call.context;
        context.cancel = cancel.clone();
        let running =
            AssertUnwindSafe(entry.tool.run(Invocation { arguments: call.arguments, context })).catch_unwind();
        let ran = tokio::select! {
            ran = timeout(spec.timeout().min(std::time::Duration::from_millis(limit)), running) => ran,
            () = cancelled_and_patient(&cancel) => return Err(Error::Cancelled(tool)),
        };
        match ran {
            Err(_) => Err(Error::TimedOut { tool, timeout_ms: limit }),
            Ok(Err(_)) => {
                tracing::error!(%tool, "a tool panicked");
                Err(Error::Broken { tool, problem: "it panicked".to_owned() })
            }
            Ok(Ok(Err(error))) => Err(error),
            Ok(Ok(Ok(output))) => self.checked(&entry, tool, output),
        }
    }

    fn check(&self, entry: &Entry, tool: &ToolName, arguments: &serde_json::Value) -> Result<(), Error> {
        let invalid = |problem| Error::Invalid { tool: tool.clone(), problem };
        let bytes_max = self.0.config.arguments_bytes_max;
        if arguments.to_string().len() > bytes_max {
            return Err(invalid(format!("they have more than {bytes_max} bytes as JSON")));
        }
        entry.input.check(arguments).map_err(invalid)
    }

    fn checked(&self, entry: &Entry, tool: ToolName, output: Output) -> Result<Output, Error> {
        if let (Some(schema), Some(value), false) = (&entry.output, &output.structured, output.is_error)
            && let Err(problem) = schema.check(value)
        {
            return Err(Error::Broken { tool, problem: format!("what it says is not what it promised: {problem}") });
        }
        let bytes_max = self.0.config.output_bytes_max;
        let mut output = output;
        if output.structured.as_ref().is_some_and(|value| value.to_string().len() > bytes_max) {
            // The text has as much of it as fits.
            output.structured = None;
        }
        Ok(output.capped(entry.tool.spec().output_bytes_max.min(self.0.config.output_bytes_max)))
    }

    fn table(&self) -> Arc<Table> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.table().keys()).finish()
    }
}

fn entry(source: &str, tool: Arc<dyn Tool>) -> Result<Entry, InvalidTool> {
    let spec = tool.spec().clone();
    let invalid = |problem: String| InvalidTool { tool: spec.name.clone(), problem };
    if spec.input.get("type").and_then(serde_json::Value::as_str) != Some("object") {
        return Err(invalid("its arguments are no object".to_owned()));
    }
    let input = Schema::new(&spec.input).map_err(|error| invalid(format!("the schema of its arguments: {error}")))?;
    let output = spec.output.as_ref().map(Schema::new).transpose();
    let output = output.map_err(|error| invalid(format!("the schema of its output: {error}")))?;
    Ok(Entry { source: source.into(), tool, input: Arc::new(input), output: output.map(Arc::new) })
}

/// A tool that hears of it may say what it had done by then; one that does not is dropped.
async fn cancelled_and_patient(cancel: &tokio_util::sync::CancellationToken) {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
    cancel.cancelled().await;
    tokio::time::sleep(PATIENCE).await;
}

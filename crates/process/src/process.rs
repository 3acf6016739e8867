use std::fmt;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::driver::{Driver, Guard, Root};
use crate::output::Framer;
use crate::platform::{self, Entry, Pinned};
use crate::reader::{Activity, Reader};
use crate::tree::Tree;
use crate::{Error, Exit, Handle, Input, Output, Spec, Stdin, Stream, marker, program, registry};

/// How many requests of handles wait while the process table is searched.
const COMMANDS_WAITING_MAX: usize = 8;

/// A running program with its whole tree of processes.
///
/// Dropping it ends the tree: every member is killed before `drop` returns, which takes some milliseconds of blocking
/// (about a second if a member cannot be killed). Prefer [`Handle::stop`] and [`wait`](Self::wait).
pub struct Process {
    output: mpsc::Receiver<Output>,
    handle: Handle,
    input: Option<Input>,
    exit: Option<Exit>,
    tree: Arc<Tree>,
    driver: JoinSet<Exit>,
}

impl Process {
    /// Starts the program.
    ///
    /// # Errors
    /// See [`Error`]; nothing is left running then.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O.
    pub fn spawn(spec: Spec) -> Result<Self, Error> {
        spec.environment.check()?;
        program::check_working_directory(&spec)?;
        let id = marker::new_id();
        let mut command = command(&spec, &id)?;
        let (mut child, root) = registry::spawn(|| {
            let child = command.spawn().map_err(|error| Error::from_spawn(spec.program.clone(), error))?;
            let root = root_entry(&child);
            Ok((child, root))
        })?;
        let tree = Arc::new(Tree::new(id, root));
        let ended = CancellationToken::new();
        let guard = Guard { tree: tree.clone(), ended: ended.clone() };

        let activity = Arc::new(Activity::new());
        let (sender, output) = mpsc::channel(spec.limits.outputs_waiting_max.max(1));
        let readers = readers(&mut child, &spec, &activity, sender);
        let (mut writer, mut input) = (JoinSet::new(), None);
        match (child.stdin.take(), spec.stdin) {
            (Some(pipe), Stdin::Bytes(bytes)) => drop(writer.spawn(write(pipe, bytes))),
            (Some(pipe), _) => input = Some(Input(pipe)),
            (None, _) => {}
        }

        let (commands, receiver) = mpsc::channel(COMMANDS_WAITING_MAX);
        let handle = Handle { id: root.pid.cast_unsigned(), commands, ended };
        let driver = Driver {
            guard,
            child,
            root: Root { gone: Pinned::open(&root).and_then(Pinned::gone), has_ended: false },
            limits: spec.limits,
            started: Instant::now(),
            activity,
            commands: receiver,
            readers,
            writer,
            kept: spec.kept,
        };
        let mut drivers = JoinSet::new();
        drivers.spawn(driver.run());
        Ok(Self { output, handle, input, exit: None, tree, driver: drivers })
    }

    /// The pid of the program, which is also its process group.
    pub fn id(&self) -> u32 {
        self.handle.id()
    }

    /// For pausing and stopping it from elsewhere.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Its standard input if that is [`Stdin::Piped`]; once.
    pub fn take_input(&mut self) -> Option<Input> {
        self.input.take()
    }

    /// The next piece of output; `None` when both streams have ended. Until it is called the process can print only as
    /// much as `outputs_waiting_max` pieces and its pipe hold. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Output> {
        self.output.recv().await
    }

    /// Until the whole tree has ended. Output that [`next`](Self::next) has not taken is thrown away, so that the
    /// process is not blocked by it; input that was not taken is closed.
    pub async fn wait(&mut self) -> Exit {
        self.input = None;
        while self.next().await.is_some() {}
        if let Some(ended) = self.driver.join_next().await {
            self.exit = ended.ok();
        }
        self.exit.get_or_insert_with(Exit::unknown).clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.tree.end();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.id()).field("exit", &self.exit).finish_non_exhaustive()
    }
}

fn command(spec: &Spec, tree_id: &str) -> Result<Command, Error> {
    let mut command = Command::new(program::find(spec)?);
    command.arg0(&spec.program).args(&spec.args);
    command.env_clear().envs(spec.environment.iter()).env(marker::TREE, marker::value_for(tree_id));
    match &spec.owner {
        Some(owner) => command.env(marker::OWNER, owner),
        None => command.env_remove(marker::OWNER),
    };
    if let Some(path) = &spec.working_directory {
        command.current_dir(path);
    }
    command.stdin(if matches!(spec.stdin, Stdin::Null) { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    Ok(command)
}

/// The program as the system's table shows it, before anybody can have collected it.
fn root_entry(child: &Child) -> Entry {
    let pid = child.id().expect("it was not waited for").cast_signed();
    let unknown = Entry { pid, parent: registry::own_pid(), group: pid, start: 0, dead: false, stopped: false };
    platform::entry(pid).unwrap_or(unknown)
}

fn readers(child: &mut Child, spec: &Spec, activity: &Arc<Activity>, sender: mpsc::Sender<Output>) -> JoinSet<()> {
    let mut readers = JoinSet::new();
    if let Some(pipe) = child.stdout.take() {
        readers.spawn(read(pipe, Stream::Stdout, spec, activity.clone(), sender.clone()));
    }
    if let Some(pipe) = child.stderr.take() {
        readers.spawn(read(pipe, Stream::Stderr, spec, activity.clone(), sender));
    }
    readers
}

fn read<P: AsyncRead + Unpin + Send + 'static>(
    pipe: P,
    stream: Stream,
    spec: &Spec,
    activity: Arc<Activity>,
    sender: mpsc::Sender<Output>,
) -> impl Future<Output = ()> + Send + use<P> {
    let limits = spec.limits.clone();
    let framer = Framer::new(stream, spec.framing, limits.line_bytes_max);
    async move { Reader { pipe, stream, framer, limits: &limits, activity: &activity, sender }.run().await }
}

async fn write(mut pipe: ChildStdin, bytes: Bytes) {
    // A process need not read its input to the end; what it misses is its own affair.
    let _ = pipe.write_all(&bytes).await;
}

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::handle::Command;
use crate::platform::Pinned;
use crate::reader::Activity;
use crate::spec::Kept;
use crate::tree::Tree;
use crate::{Exit, Limits, Status};

/// Longer graces are cut to this, which keeps the arithmetic of instants safe.
const GRACE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a tree's processes are counted where they are limited: what a search takes is then some percent of a core.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a killed program may take to be collected.
const COLLECT_TIME_MAX: Duration = Duration::from_secs(1);

/// Watches one process from start to end. Dropping it ends the tree; the fields are dropped in this order.
pub(crate) struct Driver {
    pub(crate) guard: Guard,
    pub(crate) child: Child,
    pub(crate) root: Root,
    pub(crate) limits: Limits,
    pub(crate) started: Instant,
    pub(crate) activity: Arc<Activity>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) readers: JoinSet<()>,
    pub(crate) writer: JoinSet<()>,
    pub(crate) kept: Kept,
}

/// Ends the tree when it is dropped, before the root can be collected by anybody.
pub(crate) struct Guard {
    pub(crate) tree: Arc<Tree>,
    pub(crate) ended: CancellationToken,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.tree.end();
        self.tree.mark_collected();
        self.ended.cancel();
    }
}

/// Notices the end of the program without collecting it, so that its pid and process group stay its own until the
/// tree has ended.
pub(crate) struct Root {
    pub(crate) gone: Option<BoxFuture<'static, ()>>,
    pub(crate) has_ended: bool,
}

impl Root {
    async fn ended(&mut self, child: &mut Child) {
        if !self.has_ended {
            match &mut self.gone {
                Some(gone) => gone.await,
                // Where the system cannot watch it, noticing means collecting.
                None => drop(child.wait().await),
            }
            self.has_ended = true;
        }
    }
}

impl Driver {
    pub(crate) async fn run(mut self) -> Exit {
        let reason = self.until_ended().await;
        match reason {
            None => self.drain().await,
            Some((_, grace)) => self.terminate(grace).await,
        }
        self.finish(reason.map(|(status, _)| status)).await
    }

    /// `None` if the program ended by itself, else why the tree must end and how much time it has.
    async fn until_ended(&mut self) -> Option<(Status, Duration)> {
        let wall_time = self.limits.wall_time.and_then(|limit| self.started.checked_add(limit));
        loop {
            let command = tokio::select! {
                biased;
                () = self.root.ended(&mut self.child) => return None,
                Some(command) = self.commands.recv() => command,
                () = self.activity.over.notified() => return Some((Status::OutputLimit, self.limits.grace)),
                () = crowded(&self.guard.tree, self.limits.processes_max) => return Some((Status::ProcessLimit, Duration::ZERO)),
                () = until(wall_time) => return Some((Status::TimedOut, self.limits.grace)),
                () = self.activity.idle_for(self.limits.idle_time) => return Some((Status::Idle, self.limits.grace)),
            };
            match command {
                Command::Stop { grace } => return Some((Status::Stopped, grace)),
                Command::Pause(done) => {
                    self.activity.paused.store(true, Ordering::SeqCst);
                    with_tree(&self.guard.tree, Tree::freeze).await;
                    let _ = done.send(());
                }
                Command::Resume(done) => {
                    with_tree(&self.guard.tree, |tree| drop(tree.signal(Signal::CONT))).await;
                    self.activity.touch();
                    self.activity.paused.store(false, Ordering::SeqCst);
                    let _ = done.send(());
                }
            }
        }
    }

    /// Gives background processes a moment to finish what they print.
    async fn drain(&mut self) {
        tokio::select! {
            () = join_rest(&mut self.readers) => {}
            () = sleep(self.limits.drain) => {}
            () = stop_command(&mut self.commands) => {}
        }
    }

    async fn terminate(&mut self, grace: Duration) {
        if grace.is_zero() {
            return;
        }
        let is_paused = self.activity.paused.load(Ordering::SeqCst);
        let asked = with_tree(&self.guard.tree, move |tree| {
            let asked = tree.signal(Signal::TERM);
            if is_paused {
                // A paused process cannot answer.
                tree.signal(Signal::CONT);
            }
            asked
        });
        let gone = join_all(asked.await.unwrap_or_default().into_iter().filter_map(Pinned::gone));
        let all_ended = async {
            gone.await;
            self.root.ended(&mut self.child).await;
        };
        tokio::pin!(all_ended);
        let mut deadline = Instant::now() + grace.min(GRACE_MAX);
        loop {
            tokio::select! {
                () = &mut all_ended => return,
                () = sleep_until(deadline) => return,
                Some(command) = self.commands.recv() => if let Command::Stop { grace } = command {
                    deadline = deadline.min(Instant::now() + grace.min(GRACE_MAX));
                },
            }
        }
    }

    async fn finish(mut self, reason: Option<Status>) -> Exit {
        // Nobody is to wait for an answer while the rest of the output is read.
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        let survivors = with_tree(&self.guard.tree, Tree::end).await.unwrap_or_default();
        let duration = self.started.elapsed();
        self.writer.abort_all();
        self.guard.ended.cancel();
        self.guard.tree.mark_collected();
        let collected = timeout(COLLECT_TIME_MAX, self.child.wait()).await.ok().and_then(Result::ok);
        let code = collected.and_then(|status| status.code());
        let signal = collected.and_then(|status| status.signal());
        let by_itself = code.map(Status::Exited).or(signal.map(Status::Signalled)).unwrap_or(Status::Unknown);
        self.read_rest().await;
        let kept = std::mem::take(&mut self.kept);
        drop(spawn_blocking(move || drop(kept)).await);
        Exit {
            status: reason.unwrap_or(by_itself),
            code,
            signal,
            duration,
            stdout_bytes: self.activity.stdout_bytes.load(Ordering::SeqCst),
            stderr_bytes: self.activity.stderr_bytes.load(Ordering::SeqCst),
            truncated: self.activity.truncated.load(Ordering::SeqCst),
            survivors,
        }
    }

    /// What is in the pipes is delivered, at the pace of whoever reads it. But a pipe that a stranger still holds open
    /// is left after a moment.
    async fn read_rest(&mut self) {
        loop {
            let done = timeout(self.limits.drain, join_rest(&mut self.readers)).await.is_ok();
            if done || !self.activity.is_waiting() {
                return self.readers.abort_all();
            }
        }
    }
}

/// Searching the process table blocks for milliseconds. `None` if the runtime is shutting down.
async fn with_tree<T: Send + 'static>(tree: &Arc<Tree>, work: impl FnOnce(&Tree) -> T + Send + 'static) -> Option<T> {
    let tree = tree.clone();
    spawn_blocking(move || work(&tree)).await.ok()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Until the tree has more processes than it may. There is no event for that, so it is looked at.
async fn crowded(tree: &Arc<Tree>, processes_max: Option<u64>) {
    let Some(limit) = processes_max else { return std::future::pending().await };
    loop {
        sleep(LOOK_EVERY).await;
        let size = with_tree(tree, Tree::size).await.unwrap_or_default();
        if u64::try_from(size).unwrap_or(u64::MAX) > limit {
            return;
        }
    }
}

async fn join_rest(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

async fn stop_command(commands: &mut mpsc::Receiver<Command>) {
    while let Some(command) = commands.recv().await {
        if matches!(command, Command::Stop { .. }) {
            return;
        }
    }
    std::future::pending().await
}

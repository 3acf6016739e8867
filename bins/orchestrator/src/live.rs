use std::time::Duration;

use orchestrator_client::{Subscription, Topics};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::show::now;

/// Between two pictures, at least: so many events come at once that each alone is not worth one.
const PAUSE: Duration = Duration::from_millis(200);

/// Shows an answer, and with `watch` shows it anew whenever one of these events says that it may have changed.
pub(crate) async fn show<F>(
    daemon: &Daemon,
    watch: bool,
    events: &[&str],
    answer: impl Fn() -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Answer, Failure>>,
{
    if !watch {
        return daemon.out.show(&answer().await?);
    }
    // Subscribed first, so that nothing falls between the picture and the waiting.
    let mut changes = daemon.subscribe(Topics::new(events.iter().copied())).await?;
    loop {
        picture(daemon, &answer().await?)?;
        if !changed(&mut changes).await? {
            return Ok(());
        }
    }
}

fn picture(daemon: &Daemon, answer: &Answer) -> Result<(), Failure> {
    if daemon.out.is_json() {
        return daemon.out.json_line(&answer.json);
    }
    if daemon.out.is_terminal() {
        daemon.out.raw("\x1b[H\x1b[2J")?;
        daemon.out.show(answer)?;
        return daemon.out.raw(&format!("\n{}  (ends with ctrl-c)\n", now()));
    }
    daemon.out.show(answer)?;
    daemon.out.line("")
}

/// Waits for an event, and then until there was none for a moment.
async fn changed(changes: &mut Subscription) -> Result<bool, Failure> {
    if changes.next().await.transpose()?.is_none() {
        return Ok(false);
    }
    let until = tokio::time::Instant::now() + PAUSE;
    while let Ok(more) = tokio::time::timeout_at(until, changes.next()).await {
        if more.transpose()?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

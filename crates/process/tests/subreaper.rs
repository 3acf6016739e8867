//! Alone in its file: being the subreaper is a property of the whole process.
#![cfg(target_os = "linux")]

mod support;

use orchestrator_process::{Status, Stdin, become_subreaper};
use support::{exit_of, limits, lives, pid, shell, start, state};

/// A process that has left everything by which it could be found: group, session, parent, pipes and environment.
const HIDDEN: &str =
    "( env -i /usr/bin/setsid /bin/sh -c 'echo $$; exec /bin/sleep 1000 </dev/null >/dev/null 2>&1' & ); ";

#[tokio::test]
async fn orphans_that_cleared_their_environment_end_with_the_last_tree_that_can_have_made_them() {
    let mut earlier = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    become_subreaper().unwrap();
    let mut ordinary = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();

    let mut one = start(shell(&format!("{HIDDEN} read line; exit 0")).stdin(Stdin::Piped).limits(limits()));
    let hidden = pid(&mut one).await;
    // Start times are counted in ticks of 10 ms: the second tree is to start in another one.
    exit_of(&mut start(shell("sleep 0.05"))).await;
    let mut two = start(shell("exec sleep 1000").limits(limits()));
    assert_eq!(exit_of(&mut one).await.status, Status::Exited(0));
    assert!(!lives(hidden), "the second tree started later and is no excuse");
    assert_eq!(state(hidden), None, "it was collected too");
    assert!(lives(two.id()));

    let mut three = start(shell(&format!("{HIDDEN} read line; exit 0")).stdin(Stdin::Piped).limits(limits()));
    let hidden = pid(&mut three).await;
    exit_of(&mut three).await;
    two.handle().kill().await;
    assert_eq!(exit_of(&mut two).await.status, Status::Stopped);
    assert!(!lives(hidden));

    for child in [&mut earlier, &mut ordinary] {
        assert!(lives(child.id()), "children of the embedder are left alone");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

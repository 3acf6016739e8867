//! What a confined program can use up, and what it is given.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use orchestrator_confine::{Confinement, Launcher, Report};
use orchestrator_process::{Environment, Error, Limits, Mode, Process, ResourceLimits, Status, Stdin};
use support::{Place, can_confine, launcher, run};

fn with(place: &Place, limits: ResourceLimits) -> Confinement {
    Confinement { limits, ..place.confinement() }
}

#[tokio::test]
async fn a_program_that_wants_more_memory_than_it_may_have_gets_none() {
    let place = Place::new();
    let script = "head -c 300000000 /dev/zero | tail > /dev/null";
    let limits = ResourceLimits { memory_bytes: Some(64 << 20), ..ResourceLimits::default() };
    let ran = place.within(script, &with(&place, limits)).await;
    assert!(ran.printed.contains("memory exhausted"), "{}", ran.printed);
    place.confined(script).await.succeeded("");
}

#[tokio::test]
async fn a_file_grows_no_larger_than_it_may() {
    let place = Place::new();
    let limits = ResourceLimits { file_size_bytes: Some(1 << 20), ..ResourceLimits::default() };
    let ran = place.within("head -c 2000000 /dev/zero > x", &with(&place, limits)).await;
    assert!(!ran.exit.is_success());
    assert_eq!(std::fs::metadata(place.work().join("x")).unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn one_that_starts_more_and_more_is_ended_and_leaves_nobody() {
    let place = Place::new();
    let limits = ResourceLimits { processes: Some(40), ..ResourceLimits::default() };
    // Not without end: whoever runs this may be root, whose processes the kernel does not count.
    let growing = "for i in $(seq 400); do sleep 60 & done; wait";
    let ran = place.within(growing, &with(&place, limits)).await;
    assert!(!ran.exit.is_success() && ran.exit.duration < Duration::from_secs(60), "{:?}", ran.exit);
    assert!(ran.exit.survivors.is_empty(), "{:?}", ran.exit);
    let many = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait; echo all";
    place.within(many, &with(&place, limits)).await.succeeded("all");
}

#[tokio::test]
async fn descriptors_are_bounded_and_none_is_added() {
    let place = Place::new();
    let limits = ResourceLimits { open_files: Some(64), ..ResourceLimits::default() };
    // What the test itself was started with is there as well.
    let listed = "ls /proc/self/fd | tr '\\n' ' '";
    let environment = Environment::empty().set("PATH", "/usr/bin:/bin");
    let free = run(place.spec("sh").environment(environment).args(["-c", listed])).await;
    let script = format!("ulimit -n; ulimit -c; {listed}");
    place.within(&script, &with(&place, limits)).await.succeeded(&format!("64\n0\n{}", free.printed.trim_end()));
}

#[tokio::test]
async fn it_is_given_exactly_what_it_would_be_given_without() {
    let place = Place::new();
    let script = "printf '<%s>' \"$0\" \"$@\"; echo; env | sed 's/_TREE=.*/_TREE=/' | sort; pwd; cat; tr '\\0' ' ' < /proc/$$/cmdline; \
                  grep -E '^Sig(Blk|Ign)' /proc/self/status";
    let spec = || {
        let environment = Environment::empty().set("PATH", "/usr/bin:/bin").set("LD_AUDIT", "").set("A", "b c");
        let args = ["-c", script, "a name", "x y", "", "*"];
        let spec = place.spec("sh").environment(environment).args(args);
        spec.stdin(Stdin::Bytes("input\n".into())).owner("an owner")
    };
    let free = run(spec()).await;
    let confined = run(launcher(Mode::Preferred).confine(spec(), &place.confinement()).unwrap()).await;
    assert!(free.printed.contains("ORCHESTRATOR_PROCESS_OWNER=an owner"), "{}", free.printed);
    confined.succeeded(free.printed.trim_end());
}

#[tokio::test]
async fn a_library_that_is_to_be_loaded_first_is_not_loaded_into_the_launcher() {
    let place = Place::new();
    let environment = Environment::empty().set("PATH", "/usr/bin:/bin").set("LD_DEBUG", "files");
    let spec = place.spec("/bin/true").environment(environment);
    let ran = run(launcher(Mode::Preferred).confine(spec, &place.confinement()).unwrap()).await;
    // Only programs other than the launcher say which files they load.
    assert!(ran.printed.contains("/bin/true") && !ran.printed.contains("confine-launcher"), "{}", ran.printed);
}

#[tokio::test]
async fn the_whole_tree_ends_with_it() {
    let place = Place::new();
    let spec = launcher(Mode::Preferred)
        .confine(place.shell("setsid sleep 60 & env -i setsid sleep 60 & echo $!; wait"), &place.confinement());
    let mut process = Process::spawn(spec.unwrap()).unwrap();
    while process.next().await.is_some_and(|output| !matches!(output, orchestrator_process::Output::Line { .. })) {}
    process.handle().stop(Duration::ZERO).await;
    let exit = process.wait().await;
    assert!(exit.survivors.is_empty() && exit.status == Status::Stopped, "{exit:?}");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_told_of_by_code_and_text() {
    let place = Place::new();
    std::fs::write(place.work().join("x"), "#!/no/such/interpreter\n").unwrap();
    let ran = place.confined("chmod +x x").await;
    ran.succeeded("");
    let ran = run(launcher(Mode::Preferred).confine(place.spec("./x"), &place.confinement()).unwrap()).await;
    assert_eq!(ran.exit.code, Some(127));
    ran.was_refused("cannot be executed in its sandbox");
}

#[test]
fn what_must_be_confined_is_refused_on_a_system_that_cannot() {
    let place = Place::new();
    let launcher = Launcher::with_report("/launcher", Mode::Required, Report::default());
    let refused = launcher.confine(place.shell("true"), &place.confinement());
    assert!(matches!(refused, Err(Error::Confinement { missing }) if missing.contains("Landlock")));
}

#[tokio::test]
async fn what_it_costs_is_told() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    let mut times = Vec::new();
    for mode in [Mode::Off, Mode::Required] {
        let started = std::time::Instant::now();
        for _ in 0..20 {
            let spec = place.spec("/bin/true").limits(Limits::default());
            let spec = launcher(mode).confine(spec, &place.confinement()).unwrap();
            assert!(run(spec).await.exit.is_success());
        }
        times.push(started.elapsed() / 20);
    }
    eprintln!("/bin/true takes {:?} as it is, {:?} confined", times[0], times[1]);
}

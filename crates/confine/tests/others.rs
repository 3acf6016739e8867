//! What a confined program can do to others: networks, processes, the system.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![cfg(target_os = "linux")]

mod support;

use std::net::TcpListener;
use std::process::Command;

use orchestrator_confine::{Attempt, Attempts, Confinement, Outcome, PROBE};
use orchestrator_process::{Mode, Network};
use support::{Place, Ran, can_confine, launcher, run};

/// Tells, where everybody sees it, that a test did not run.
fn has_python() -> bool {
    let has = Command::new("python3").arg("-c").arg("import ctypes").status().is_ok_and(|status| status.success());
    if !has {
        eprintln!("SKIPPED: there is no python3 to make system calls with");
    }
    has
}

/// Makes one system call, and prints how it failed.
fn call(number: &str, arguments: &str) -> String {
    format!(
        "exec python3 -c 'import ctypes,os,platform,errno\nlibc=ctypes.CDLL(None,use_errno=True)\n\
         libc.syscall.restype=ctypes.c_long\nx=platform.machine()==\"x86_64\"\nr=libc.syscall({number},{arguments})\n\
         print(\"worked\" if r>=0 else errno.errorcode[ctypes.get_errno()])'"
    )
}

#[tokio::test]
async fn nobody_is_spoken_to_unless_that_is_allowed() {
    if !can_confine() || !has_python() {
        return;
    }
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = format!(
        "exec python3 -c 'import socket;socket.create_connection((\"127.0.0.1\",{port}));print(\"connected\")'"
    );
    let unix = "exec python3 -c 'import socket;socket.socket(socket.AF_UNIX);print(\"made\")'";
    let pair = "exec python3 -c 'import socket;socket.socketpair();print(\"made\")'";
    let with = |network| Confinement { network, ..place.confinement() };

    place.within(&tcp, &with(Network::None)).await.was_refused("not permitted");
    place.within(unix, &with(Network::None)).await.was_refused("not permitted");
    place.within(pair, &with(Network::None)).await.succeeded("made");
    place.within(&tcp, &with(Network::UnixOnly)).await.was_refused("not permitted");
    place.within(unix, &with(Network::UnixOnly)).await.succeeded("made");
    place.within(&tcp, &with(Network::All)).await.succeeded("connected");
    for family in ["AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"] {
        let script = format!("exec python3 -c 'import socket;socket.socket(socket.{family}, socket.SOCK_DGRAM)'");
        place.within(&script, &with(Network::UnixOnly)).await.was_refused("not permitted");
    }
}

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    let own = std::process::id();
    place.confined(&format!("kill -0 {own}")).await.was_refused("not permitted");
    place.free(&format!("kill -0 {own}")).await.succeeded("");
    for file in ["environ", "mem", "maps"] {
        place.confined(&format!("cat /proc/{own}/{file} > /dev/null")).await.was_refused("ermission denied");
    }
    place.confined(&format!("ls /proc/{own}/fd/ /proc/{own}/root/")).await.was_refused("ermission denied");
    place.free(&format!("cat /proc/{own}/environ > /dev/null")).await.succeeded("");
    // Its own children stay its own.
    place.confined("sleep 60 & kill $! && wait $! 2>/dev/null; [ $? = 143 ] && echo ended").await.succeeded("ended");
}

#[tokio::test]
async fn calls_that_reach_into_others_or_the_system_are_refused() {
    if !can_confine() || !has_python() {
        return;
    }
    let place = Place::new();
    let other = std::process::id().to_string();
    let namespaces = "0x10000000|0x20000|17,0,0,0,0";
    for (name, number, arguments, errno) in [
        ("ptrace attach", "101 if x else 117", format!("16,{other},0,0"), "EPERM"),
        ("ptrace traceme", "101 if x else 117", "0,0,0,0".to_owned(), "EPERM"),
        ("process_vm_readv", "310 if x else 270", format!("{other},0,0,0,0,0"), "EPERM"),
        ("prlimit of another", "302 if x else 261", format!("{other},7,b\"\\0\"*16,0"), "EPERM"),
        ("setpriority of another", "141 if x else 140", format!("0,{other},19"), "EPERM"),
        ("setpriority of a user", "141 if x else 140", "2,0,19".to_owned(), "EPERM"),
        ("sched_setaffinity of another", "203 if x else 122", format!("{other},8,b\"\\x01\"+b\"\\0\"*7"), "EPERM"),
        ("unshare", "272 if x else 97", "0x10000000".to_owned(), "EPERM"),
        ("clone into namespaces", "56 if x else 220", namespaces.to_owned(), "EPERM"),
        ("clone3", "435", "0,0".to_owned(), "ENOSYS"),
        ("mount", "165 if x else 40", "0,0,0,0,0".to_owned(), "EPERM"),
        ("io_uring_setup", "425", "1,0".to_owned(), "EPERM"),
        ("bpf", "321 if x else 280", "0,0,0".to_owned(), "EPERM"),
        ("keyctl", "250 if x else 219", "0,0,0".to_owned(), "EPERM"),
        ("perf_event_open", "298 if x else 241", "0,0,0,0,0".to_owned(), "EPERM"),
        ("userfaultfd", "323 if x else 282", "0".to_owned(), "EPERM"),
        ("x32 ptrace", "(0x40000000+521) if x else 117", "0,0,0,0".to_owned(), "EPERM or ENOSYS"),
        ("x32 socket", "(0x40000000+41) if x else 198", "2,1,0".to_owned(), "EPERM or ENOSYS"),
    ] {
        let ran = place.confined(&call(number, &arguments)).await;
        // Most kernels do not know the second set of numbers at all.
        assert!(errno.split(" or ").any(|one| one == ran.printed.trim()), "{name}: {}", ran.printed);
    }
    // What programs ask of themselves works.
    place.confined(&call("302 if x else 261", "0,7,0,b\"\\0\"*16")).await.succeeded("worked");
    place.confined("nice -n 5 true && ulimit -n 64 && exec python3 -c 'import threading as t;x=t.Thread(target=print,args=(1,));x.start();x.join()'").await.succeeded("1");
}

#[tokio::test]
async fn nothing_is_gained_by_a_program_with_the_setuid_bit_and_root_is_a_user_like_others() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    let ran = place
        .confined("grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t\\n'")
        .await;
    let bounding = if rustix_is_root() { "CapBnd:0000000000000000" } else { "CapBnd:" };
    assert!(ran.printed.starts_with("CapPrm:0000000000000000CapEff:0000000000000000"), "{}", ran.printed);
    assert!(ran.printed.contains(bounding) && ran.printed.contains("NoNewPrivs:1Seccomp:2"), "{}", ran.printed);
    place.confined("cp /usr/bin/id . && chmod 4755 id && ./id -u").await.succeeded(&user());
}

fn user() -> String {
    String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap().trim().to_owned()
}

fn rustix_is_root() -> bool {
    user() == "0"
}

#[tokio::test]
async fn the_probe_finds_nothing_that_works_when_confined_and_everything_when_not() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let attempts = Attempts {
        read: vec![place.data().join("secret")],
        write: vec![place.data().join("new")],
        connect: listener.local_addr().unwrap(),
        other: std::process::id(),
        allowed: place.work().join("x"),
        beyond: None,
    };
    let own = env!("CARGO_BIN_EXE_confine-launcher");
    let spec = || place.spec(own).args([PROBE.to_owned(), attempts.to_argument()]);
    let mut confinement = place.confinement();
    confinement.executable.push(own.into());
    let told =
        |ran: Ran| serde_json::from_str::<Vec<Attempt>>(&ran.printed).unwrap_or_else(|_| panic!("{}", ran.printed));

    let confined = told(run(launcher(Mode::Required).confine(spec(), &confinement).unwrap()).await);
    let (first, rest) = confined.split_first().unwrap();
    assert_eq!(first.outcome, Outcome::Worked);
    assert!(rest.len() >= 10 && rest.iter().all(|one| one.outcome == Outcome::Stopped), "{rest:#?}");
    let free = told(run(spec()).await);
    let escaped = free.iter().filter(|one| one.outcome == Outcome::Escaped).count();
    assert!(escaped >= 7, "{free:#?}");
}

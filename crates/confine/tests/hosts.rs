//! Programs that may speak to some hosts, and to nobody else.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![cfg(target_os = "linux")]

mod support;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use orchestrator_confine::{Attempt, Attempts, Beyond, Outcome, PROBE, Report, Sandboxes};
use orchestrator_egress::{Asked, Proxy, ProxyConfig};
use orchestrator_process::{Confine as _, Environment, Error, Host, Limits, Mode, Network, Process, Sandbox, Spec};
use support::{Place, Ran, run};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_confine-launcher");

/// A proxy that lets through what tests listen at, and what it was asked for.
fn proxy() -> (Proxy, Arc<Mutex<Vec<Asked>>>) {
    let asked = Arc::<Mutex<Vec<Asked>>>::default();
    let told = asked.clone();
    let config = ProxyConfig { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..ProxyConfig::default() };
    let tell = Arc::new(move |one: Asked| -> futures::future::BoxFuture<'static, ()> {
        told.lock().unwrap().push(one);
        Box::pin(std::future::ready(()))
    });
    (Proxy::new(config, tell).unwrap(), asked)
}

fn sandboxes(place: &Place) -> (Sandboxes, Arc<Mutex<Vec<Asked>>>) {
    let (proxy, asked) = proxy();
    (Sandboxes::new(LAUNCHER, Report::of_this_system(), place.data()).through(proxy), asked)
}

fn with(hosts: &[String]) -> Sandbox {
    let hosts = hosts.iter().map(|rule| rule.parse().unwrap()).collect();
    Sandbox { mode: Mode::Required, hosts, executable: vec![LAUNCHER.into()], ..Sandbox::default() }
}

/// Tells, where everybody sees it, that this system cannot show what the test is about.
fn can_keep_to_hosts(sandboxes: &Sandboxes) -> bool {
    let missing = sandboxes.report().missing().into_iter().chain(sandboxes.without_hosts()).collect::<Vec<_>>();
    missing.iter().for_each(|missing| eprintln!("SKIPPED: {missing}"));
    missing.is_empty()
}

async fn ran(sandboxes: &Sandboxes, spec: Spec, sandbox: &Sandbox) -> Ran {
    run(sandboxes.confine(spec, sandbox).unwrap()).await
}

/// What listens on this machine while a program tries to reach it.
struct Others {
    tcp: Vec<TcpListener>,
    beyond: Beyond,
    _unix: [UnixListener; 2],
    _answers: JoinSet<()>,
}

async fn others(place: &Place) -> Others {
    let mut tcp: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    tcp.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, 0)));
    let addresses: Vec<SocketAddr> = tcp.iter().map(|one| one.local_addr().unwrap()).collect();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let answering = socket.local_addr().unwrap();
    let mut answers = JoinSet::new();
    answers.spawn(async move {
        while let Ok((_, from)) = socket.recv_from(&mut [0; 16]).await {
            let _ = socket.send_to(b"y", from).await;
        }
    });
    let path = place.work().join("socket");
    let name = format!("confine-{}", place.work().display());
    let abstract_address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let unix = [UnixListener::bind(&path).unwrap(), UnixListener::bind_addr(&abstract_address).unwrap()];
    let by_name = format!("localhost:{}", addresses[0].port());
    let refused = addresses[1..].iter().map(ToString::to_string).chain([by_name]).collect();
    let beyond = Beyond { allowed: addresses[0].to_string(), refused, listening: addresses, answering, path, name };
    Others { tcp, beyond, _unix: unix, _answers: answers }
}

async fn attempts(place: &Place, sandboxes: &Sandboxes, sandbox: &Sandbox, others: &Others) -> Vec<Attempt> {
    let attempts = Attempts {
        read: vec![place.data().join("secret")],
        write: vec![place.data().join("new")],
        connect: others.tcp[0].local_addr().unwrap(),
        other: std::process::id(),
        allowed: place.work().join("x"),
        beyond: Some(others.beyond.clone()),
    };
    let ran = ran(sandboxes, place.spec(LAUNCHER).args([PROBE.to_owned(), attempts.to_argument()]), sandbox).await;
    serde_json::from_str(&ran.printed).unwrap_or_else(|_| panic!("{}", ran.printed))
}

#[tokio::test]
async fn one_host_is_reached_and_nobody_else_by_any_way() {
    let place = Place::new();
    let (sandboxes, asked) = sandboxes(&place);
    if !can_keep_to_hosts(&sandboxes) {
        return;
    }
    let others = others(&place).await;
    let told = attempts(&place, &sandboxes, &with(&[others.beyond.allowed.clone()]), &others).await;
    let worked = told.iter().filter(|one| one.outcome == Outcome::Worked).count();
    assert_eq!(worked, 2, "{told:#?}");
    assert!(
        told.len() >= 18 && told.iter().all(|one| matches!(one.outcome, Outcome::Worked | Outcome::Stopped)),
        "{told:#?}"
    );
    let refused = asked.lock().unwrap().iter().filter(|one| one.outcome.is_refusal()).count();
    assert_eq!(refused, others.beyond.refused.len());

    // The same without it: every one of these ways is open, except that there is no proxy.
    let open =
        attempts(&place, &sandboxes, &Sandbox { network: Network::All, hosts: Vec::new(), ..with(&[]) }, &others).await;
    let escaped = |what: &str| open.iter().any(|one| one.what.contains(what) && one.outcome == Outcome::Escaped);
    for what in ["without it", "be answered by UDP", "a Unix socket"] {
        assert!(escaped(what), "{what}: {open:#?}");
    }
}

#[tokio::test]
async fn it_has_its_own_machine_for_itself_and_its_end_is_its_own() {
    let place = Place::new();
    let (sandboxes, _) = sandboxes(&place);
    if !can_keep_to_hosts(&sandboxes) {
        return;
    }
    let sandbox = with(&["a.example".to_owned()]);
    let script = "env | grep -i _proxy | sort; cat /proc/net/dev | grep -c lo:; id -u; exit 7";
    let ended = ran(&sandboxes, place.shell(script), &sandbox).await;
    let user = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
    assert!(ended.printed.contains("HTTPS_PROXY=http://127.0.0.1:3128\n"), "{}", ended.printed);
    assert!(ended.printed.ends_with(&format!("\n1\n{}", String::from_utf8(user).unwrap())), "{}", ended.printed);
    assert_eq!(ended.exit.code, Some(7));
    let own = "exec python3 -c 'import socket;s=socket.create_server((\"127.0.0.1\",0));c=socket.create_connection(s.getsockname());print(\"itself\")'";
    ran(&sandboxes, place.shell(own), &sandbox).await.succeeded("itself");
    for family in ["AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"] {
        let script = format!("exec python3 -c 'import socket;socket.socket(socket.{family}, socket.SOCK_DGRAM)'");
        ran(&sandboxes, place.shell(&script), &sandbox).await.was_refused("not permitted");
    }
    let unix = Sandbox { network: Network::UnixOnly, ..sandbox };
    let both = "exec python3 -c 'import socket;socket.socket(socket.AF_UNIX);socket.socket();print(\"both\")'";
    ran(&sandboxes, place.shell(both), &unix).await.succeeded("both");
}

#[tokio::test]
async fn each_program_has_its_own_hosts_and_nothing_is_left_of_them() {
    let place = Place::new();
    let (sandboxes, asked) = sandboxes(&place);
    if !can_keep_to_hosts(&sandboxes) {
        return;
    }
    let others = others(&place).await;
    let target = |one: usize| others.tcp[one].local_addr().unwrap().to_string();
    let connect = |to: usize| {
        let connect = "import socket,sys;s=socket.create_connection((\"127.0.0.1\",3128));\
                       s.sendall(b\"CONNECT %s HTTP/1.1\\r\\n\\r\\n\"%sys.argv[1].encode());print(s.recv(12).decode()[-3:])";
        place.spec("python3").args(["-c", connect, &target(to)]).about("session", format!("of {to}"))
    };
    let host = Host { owner: "a test".to_owned(), confine: Arc::new(sandboxes) };
    let sandbox = |to: usize| with(&[target(to)]);
    let start = async |sandbox: Sandbox, spec: Spec| {
        let mut process = host.spawn(&sandbox, spec).await.unwrap();
        let mut printed = String::new();
        while let Some(output) = process.next().await {
            if let orchestrator_process::Output::Line { text, .. } = output {
                printed.push_str(&text);
            }
        }
        process.wait().await;
        printed
    };
    let all =
        futures::join!(start(sandbox(0), connect(0)), start(sandbox(1), connect(1)), start(sandbox(0), connect(1)));
    assert_eq!((all.0.as_str(), all.1.as_str(), all.2.as_str()), ("200", "200", "403"));
    assert!(asked.lock().unwrap().iter().any(|one| one.outcome.is_refusal() && one.about["session"] == "of 1"));
    let left: Vec<_> = std::fs::read_dir(place.data()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left, ["secret"]);
}

#[tokio::test]
async fn where_it_cannot_be_kept_to_them_it_does_not_run_or_speaks_to_nobody() {
    let place = Place::new();
    let (proxy, _) = proxy();
    // A launcher that cannot.
    let broken = Sandboxes::new("/bin/false", Report::of_this_system(), place.data()).through(proxy);
    let sandbox = with(&["a.example".to_owned()]);
    let refused = broken.confine(place.shell("true"), &sandbox).unwrap_err();
    assert!(matches!(&refused, Error::Confinement { missing } if missing.contains("`hosts`")), "{refused}");
    let spec = broken.confine(place.shell("true"), &Sandbox { mode: Mode::Preferred, ..sandbox.clone() }).unwrap();
    assert!(spec.environment.iter().all(|(_, value)| !value.to_string_lossy().contains("ownNetwork\":true")));
    assert!(spec.environment.iter().all(|(name, _)| !name.to_string_lossy().contains("PROXY")));
    let without_a_proxy = Sandboxes::new(LAUNCHER, Report::of_this_system(), place.data());
    assert!(without_a_proxy.confine(place.shell("true"), &sandbox).is_err());
}

#[tokio::test]
async fn what_a_network_of_its_own_costs_is_told() {
    let place = Place::new();
    let (sandboxes, _) = sandboxes(&place);
    if !can_keep_to_hosts(&sandboxes) {
        return;
    }
    let mut times = Vec::new();
    for hosts in [Vec::new(), vec!["a.example".to_owned()]] {
        let started = std::time::Instant::now();
        for _ in 0..20 {
            let spec = place.spec("/bin/true").environment(Environment::empty()).limits(Limits::default());
            let mut process = Process::spawn(sandboxes.confine(spec, &with(&hosts)).unwrap()).unwrap();
            while process.next().await.is_some() {}
            assert!(process.wait().await.is_success());
        }
        times.push(started.elapsed() / 20);
    }
    eprintln!("/bin/true takes {:?} confined, {:?} on a network of its own", times[0], times[1]);
}

//! Programs that may speak to some hosts, through the socket of the running binary: each way round is refused, and open where the network
//! is open.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener as Listener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixListener;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use super::{Stage, can_confine, has_namespaces, ran};

/// What listens on this machine: servers of HTTP at two ports, and others that a program must not reach.
struct Others {
    listed: u16,
    other: u16,
    /// Unless this machine has no such addresses.
    ipv6: Option<Listener>,
    answering: u16,
    path: String,
    name: String,
    _unix: [UnixListener; 2],
    _serving: JoinSet<()>,
}

impl Others {
    async fn listening(stage: &Stage) -> anyhow::Result<Self> {
        let (mut serving, mut ports) = (JoinSet::new(), Vec::new());
        for _ in 0..2 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.push(listener.local_addr()?.port());
            serving.spawn(serve(listener));
        }
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let answering = socket.local_addr()?.port();
        serving.spawn(async move {
            while let Ok((_, from)) = socket.recv_from(&mut [0; 16]).await {
                let _ = socket.send_to(b"y", from).await;
            }
        });
        let (path, name) = (stage.path("outside/socket"), format!("hosts-{}", stage.path("").display()));
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name)?;
        Ok(Self {
            listed: ports[0],
            other: ports[1],
            ipv6: Listener::bind((Ipv6Addr::LOCALHOST, 0)).ok(),
            answering,
            _unix: [UnixListener::bind(&path)?, UnixListener::bind_addr(&address)?],
            path: path.display().to_string(),
            name,
            _serving: serving,
        })
    }

    /// Ways to the listed host, by its name: what they are, a script that prints `got-there` when it got there.
    fn to_the_listed(&self) -> Vec<(&'static str, String)> {
        let url = format!("http://localhost:{}/", self.listed);
        vec![
            ("curl", format!("curl -sSf {url} && echo got-there")),
            ("curl through a tunnel", format!("curl -sSf --proxytunnel {url} && echo got-there")),
            ("python", python(&format!("import urllib.request as u; print(u.urlopen(\"{url}\", timeout=10).read())"))),
        ]
    }

    /// Ways to others, or round the proxy. All of them are open where the network is.
    fn round_it(&self) -> Vec<(&'static str, String)> {
        let (listed, other) = (self.listed, self.other);
        let connect = |to: String| python(&format!("import socket; socket.create_connection({to}, 5)"));
        let unix = |to: &str| python(&format!("import socket; socket.socket(socket.AF_UNIX).connect({to})"));
        let mut ways = vec![
            ("another port by the proxy", format!("curl -sSf http://localhost:{other}/ && echo got-there")),
            (
                "another port by a tunnel",
                format!("curl -sSf --proxytunnel http://localhost:{other}/ && echo got-there"),
            ),
            (
                "its address by the proxy",
                format!("NO_PROXY= no_proxy= curl -sSf http://127.0.0.1:{listed}/ && echo got-there"),
            ),
            (
                "its name without the proxy",
                format!("curl -sSf --noproxy '*' http://localhost:{listed}/ && echo got-there"),
            ),
            ("its address without the proxy", connect(format!("(\"127.0.0.1\", {listed})"))),
            (
                "an answer by UDP",
                python(&format!(
                    "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); \
                 s.connect((\"127.0.0.1\", {})); s.send(b\"x\"); s.recv(9)",
                    self.answering
                )),
            ),
            ("a Unix socket", unix(&format!("\"{}\"", self.path))),
            ("an abstract socket", unix(&format!("\"\\0{}\"", self.name))),
        ];
        if let Some(Ok(address)) = self.ipv6.as_ref().map(Listener::local_addr) {
            ways.push(("IPv6", connect(format!("(\"::1\", {})", address.port()))));
        }
        ways
    }
}

fn python(program: &str) -> String {
    format!("python3 -c '{program}' && echo got-there")
}

async fn serve(listener: TcpListener) {
    let mut serving = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        serving.spawn(async move {
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") && stream.read_buf(&mut read).await.is_ok_and(|read| read > 0) {}
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 7\r\n\r\nfrom it").await;
            let _ = stream.shutdown().await;
        });
    }
}

fn daemon(stage: &Stage, sandbox: Value) -> anyhow::Result<Builder> {
    let inside = json!({ "allowNetworks": ["127.0.0.0/8", "::1/128"] });
    Ok(stage.daemon("required")?.config(json!({ "sandbox": sandbox, "proxy": inside })))
}

fn listing(others: &Others) -> Value {
    json!({ "hosts": [format!("localhost:{}", others.listed)] })
}

async fn told(socket: &mut Socket, script: &str) -> anyhow::Result<String> {
    ran(socket, &format!("({script}) 2>&1; echo done")).await
}

async fn is_out(socket: &mut Socket, what: &str, script: &str) -> anyhow::Result<bool> {
    let told = told(socket, script).await?;
    anyhow::ensure!(told.contains("done"), "{what}: {told}");
    Ok(told.contains("got-there"))
}

#[tokio::test]
async fn a_command_speaks_to_its_hosts_and_to_nobody_else() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    if !can_confine(&stage).await? || !has_namespaces() {
        return Ok(());
    }
    let others = Others::listening(&stage).await?;
    let daemon = daemon(&stage, listing(&others))?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for (what, script) in others.to_the_listed() {
        let told = told(&mut admin, &script).await?;
        assert!(told.contains("from it") && told.contains("got-there"), "{what}: {told}");
    }
    for (what, script) in others.round_it() {
        assert!(!is_out(&mut admin, what, &script).await?, "{what}");
    }
    let why = told(&mut admin, &format!("curl -sS http://localhost:{}/", others.other)).await?;
    assert!(why.contains(&format!("localhost:{}", others.other)) && why.contains("`hosts` of its sandbox"), "{why}");
    refusals_are_told_of(&daemon, &mut admin, &others).await?;
    let report = admin.call("daemon.doctor", json!({})).await?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let finding = findings.iter().find(|one| one["check"] == "hosts of sandboxes").cloned().unwrap_or_default();
    assert!(finding["severity"] == "ok" && finding["found"].to_string().contains("be answered by UDP"), "{finding}");
    assert_eq!(daemon.http().get("/readyz").await.status, 200);
    Ok(())
}

/// Each program that was refused a host left one record.
async fn refusals_are_told_of(daemon: &Daemon, admin: &mut Socket, others: &Others) -> anyhow::Result<()> {
    let found = admin.call("audit.list", json!({ "action": "network.connect" })).await?;
    let records = found["items"].as_array().cloned().unwrap_or_default();
    let about = |host: &str, port: u16| {
        let arguments = json!({ "host": host, "port": port });
        let same = |record: &&Value| {
            let told = record["entry"]["arguments"].as_str().and_then(|text| serde_json::from_str(text).ok());
            told.is_some_and(|told: Value| told == arguments)
        };
        records.iter().filter(same).cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        (about("localhost", others.other).len(), about("127.0.0.1", others.listed).len()),
        (3, 1),
        "{records:?}"
    );
    assert_eq!(records.len(), 4, "{records:?}");
    let entry = &records[0]["entry"];
    assert!(entry["decision"] == "denied" && entry["session"].is_string() && entry["task"].is_string(), "{entry}");
    assert_eq!(entry["agent"], "coder");
    let page = daemon.admin_http().get("/metrics").await.body;
    for line in
        ["sandbox_connections_total{outcome=\"connected\"} 3", "sandbox_connections_total{outcome=\"refused\"} 4"]
    {
        assert!(page.contains(line), "{line} in {page}");
    }
    Ok(())
}

#[tokio::test]
async fn where_the_network_is_open_each_of_these_ways_is() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    if !can_confine(&stage).await? || !has_namespaces() {
        return Ok(());
    }
    let others = Others::listening(&stage).await?;
    let daemon = daemon(&stage, json!({ "mode": "off" }))?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for (what, script) in others.to_the_listed().into_iter().chain(others.round_it()) {
        assert!(is_out(&mut admin, what, &script).await?, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn a_host_with_an_address_inside_is_refused_until_the_operator_lets_it_through() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    if !can_confine(&stage).await? || !has_namespaces() {
        return Ok(());
    }
    let others = Others::listening(&stage).await?;
    let strict = json!({ "proxy": { "allowNetworks": [] } });
    let daemon = daemon(&stage, listing(&others))?.config(strict).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "config.*"]).await;
    let script = format!("curl -sS http://localhost:{}/", others.listed);
    let refused = told(&mut admin, &script).await?;
    assert!(refused.contains("loopback") && refused.contains("proxy.allowNetworks"), "{refused}");
    let set = json!({ "values": { "proxy.allowHosts": ["localhost"] } });
    assert!(admin.call("config.set", set).await.is_err());

    let path = daemon.data_directory().with_file_name("config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    config["proxy"]["allowHosts"] = json!(["localhost"]);
    std::fs::write(&path, config.to_string())?;
    admin.events_until("it is loaded", |event: &Event| event.name == "config.reloaded").await;
    let told = told(&mut admin, &script).await?;
    assert!(told.contains("from it"), "{told}");
    Ok(())
}

#[tokio::test]
async fn hosts_are_checked_when_the_configuration_is_read() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    for (wrong, says) in [
        (json!({ "hosts": ["http://a.example"] }), "expected a host such as"),
        (json!({ "hosts": ["a.example:0"] }), "expected a host such as"),
        (json!({ "hosts": ["a.example"], "network": "all" }), "hosts: with `network: all`"),
    ] {
        let refused = stage.daemon("required")?.config(json!({ "sandbox": wrong })).refused().await?;
        assert!(refused.output.contains(says) && refused.output.contains("sandbox"), "{}", refused.output);
    }
    Ok(())
}

//! Somebody is told of a kettle by a signed webhook, and checks the signature.
//!
//! `cargo run -p orchestrator-examples --example notify`

use std::sync::Arc;

use orchestrator_notify::{Config, Destination, Kind, Message, Notifier, Parts, Severity, SignedHeaders, Signer};
use orchestrator_vocab::{Clock as _, SystemClock};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "a secret that both sides know";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let ops = Destination {
        url: Some(url.into()),
        secret: Some(SecretString::from(SECRET)),
        ..Destination::new(Kind::Webhook)
    };
    let config = Config {
        destinations: [("ops".to_owned(), ops)].into(),
        allow_networks: vec!["127.0.0.0/8".parse()?],
        ..Config::default()
    };
    let notifier = Notifier::new(Parts {
        config,
        clock: Arc::new(SystemClock),
        filter: Arc::new(|text| text.replace("hunter2", "[hidden]")),
        listener: Arc::new(|report| println!("{}: {}", report.destination, report.outcome.as_str())),
    })?;
    let stop = CancellationToken::new();
    let told = async {
        let (_, received) = tokio::join!(tell(&notifier), receive(listener));
        stop.cancel();
        received
    };
    let (received, ()) = tokio::join!(told, notifier.run(stop.clone()));
    received
}

/// The second has the same key: it is not sent.
async fn tell(notifier: &Notifier) -> anyhow::Result<()> {
    for id in ["m1", "m2"] {
        let message = Message {
            id: id.to_owned(),
            topic: "kettle.dry".to_owned(),
            key: "kitchen".to_owned(),
            severity: Severity::Critical,
            title: "The kettle is dry".to_owned(),
            text: "The door opens with hunter2.".to_owned(),
            facts: vec![("celsius".to_owned(), "180".to_owned())],
            time: SystemClock.now(),
        };
        println!("{:?}", notifier.send("ops", message)?.outcome().await);
    }
    Ok(())
}

/// One request, by hand; a server has a library for it.
async fn receive(listener: TcpListener) -> anyhow::Result<()> {
    let (mut socket, _) = listener.accept().await?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let read = socket.read(&mut chunk).await?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = header(head, "content-length").parse()?;
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    socket.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
    let headers = SignedHeaders {
        id: header(&head, "webhook-id"),
        timestamp: header(&head, "webhook-timestamp"),
        signature: header(&head, "webhook-signature"),
    };
    let now_s = u64::try_from(SystemClock.now().millis() / 1_000)?;
    Signer::new(&SecretString::from(SECRET))?.verify(&headers, now_s, body.as_bytes())?;
    println!("signed: {body}");
    Ok(())
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
}

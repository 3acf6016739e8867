//! What an HTTP client refuses to connect to, and what an operator's list lets through.
//!
//! `cargo run -p orchestrator-examples --example egress`

use orchestrator_egress::{Client, Config, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::select! {
        served = serve(listener) => served,
        shown = show(port) => shown,
    }
}

async fn show(port: u16) -> anyhow::Result<()> {
    let strict = Client::new(Config::default())?;
    for url in [
        format!("http://localhost:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://2130706433/".to_owned(),
        "http://[64:ff9b::10.0.0.1]/".to_owned(),
        "https://user:password@example.org/".to_owned(),
    ] {
        match strict.send(Request::get(&url)).await {
            Ok(response) => println!("{url}: {}", response.status),
            Err(error) => println!("{url}: {error}"),
        }
    }

    let config = Config { allow_hosts: vec!["localhost".parse()?], timeout_ms: 5_000, ..Config::default() };
    let listed = Client::new(config)?;
    let response = listed.send(Request::get(format!("http://localhost:{port}/"))).await?;
    println!("listed: {} {}", response.status, String::from_utf8_lossy(&response.body));
    // Listed or not: a redirect is checked like a request.
    match listed.send(Request::get(format!("http://localhost:{port}/away"))).await {
        Ok(response) => println!("away: {}", response.status),
        Err(error) => println!("away: {error}"),
    }
    Ok(())
}

/// Redirects everything but `/` to the network inside.
async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (mut socket, _) = listener.accept().await?;
        let mut head = vec![0; 4096];
        let read = socket.read(&mut head).await?;
        let answer: &[u8] = match head[..read].starts_with(b"GET / ") {
            true => b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
            false => b"HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: http://10.0.0.1/\r\n\r\n",
        };
        socket.write_all(answer).await?;
    }
}

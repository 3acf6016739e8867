//! Alone in its process, because the limit on file descriptors is the process's.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_gateway::Gateway;
use orchestrator_rpc::{Authenticator, Caller, Credential, Dispatcher, Error, Table};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

struct Nobody;

#[async_trait]
impl Authenticator for Nobody {
    async fn authenticate(&self, _: &Credential) -> Result<Caller, Error> {
        Err(Error::unauthorized("nobody"))
    }
}

const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn without_file_descriptors_the_accept_loop_waits_and_recovers() {
    let dispatcher = Dispatcher::new(Table::new()).unwrap();
    let table = dispatcher.table().clone();
    let gateway = Gateway::builder(table, BoxCloneSyncService::new(dispatcher), Arc::new(Nobody)).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let clients = async {
        let limit = getrlimit(Resource::Nofile);
        // Blocking on purpose: the server shares this thread and must not accept them yet.
        let open: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let highest = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        let mut low = limit;
        low.current = Some(highest);
        setrlimit(Resource::Nofile, low).unwrap();
        while gateway.counters().snapshot().accept_failed == 0 {
            tokio::task::yield_now().await;
        }
        drop(open);
        setrlimit(Resource::Nofile, limit).unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(READY).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        stop.cancel();
        text
    };
    let (_, text) = tokio::join!(gateway.serve(listener, stop.clone()), clients);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Stands between a client and its daemon: an address that stays while the daemon changes, and a connection that can break.
pub(crate) struct Proxy {
    pub(crate) url: String,
    /// Where connections go; nowhere while there is none.
    target: watch::Sender<Option<String>>,
    _tasks: Arc<JoinSet<()>>,
}

impl Proxy {
    pub(crate) async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = format!("http://{}", listener.local_addr().expect("it is bound"));
        let target = watch::Sender::new(Some(address(url)));
        let targets = target.subscribe();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(carry(stream, targets.clone()));
            }
        });
        Self { url: own, target, _tasks: Arc::new(tasks) }
    }

    /// Breaks all connections, and lets none through.
    pub(crate) fn cut(&self) {
        self.target.send_replace(None);
    }

    /// Lets connections through to this daemon.
    pub(crate) fn lead_to(&self, url: &str) {
        self.target.send_replace(Some(address(url)));
    }
}

fn address(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

async fn carry(mut stream: TcpStream, mut targets: watch::Receiver<Option<String>>) {
    let Some(target) = targets.borrow_and_update().clone() else { return };
    let Ok(mut daemon) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut stream, &mut daemon) => {}
        _ = targets.changed() => {}
    }
}

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_gateway::Gateway;
use orchestrator_rpc::{Authenticator, Dispatcher, Error, Table};
use orchestrator_supervisor::Supervisor;
use tokio::net::TcpListener;
use tower::util::BoxCloneSyncService;

use super::Gauges;

/// Serves the metrics, and nothing else, to whoever asks on this machine's loopback interface.
pub(crate) async fn serve_to_this_machine(
    port: u16,
    path: &str,
    gauges: &Gauges,
    nobody: Arc<dyn Authenticator>,
    loops: &Supervisor,
) -> anyhow::Result<SocketAddr> {
    let gauges = gauges.clone();
    let page = Box::new(move || -> futures::future::BoxFuture<'static, Result<String, Error>> {
        let gauges = gauges.clone();
        Box::pin(async move { gauges.page().await.map_err(crate::operations::internal) })
    });
    let table = Arc::new(Table::new());
    let calls = BoxCloneSyncService::new(Dispatcher::new(Table::new())?);
    let gateway = Gateway::builder(table, calls, nobody).open_page(path, super::CONTENT_TYPE, page).build()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("metrics.port: cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    // The first run takes the listener that is there; a restarted one makes its own.
    let listener = std::sync::Mutex::new(Some(listener));
    loops.spawn("metrics listener", move |stop| {
        let (gateway, listener) = (gateway.clone(), listener.lock().ok().and_then(|mut kept| kept.take()));
        async move {
            let listener = match listener {
                Some(listener) => listener,
                None => TcpListener::bind(address).await?,
            };
            gateway.serve(listener, stop).await;
            Ok::<(), std::io::Error>(())
        }
    })?;
    Ok(address)
}

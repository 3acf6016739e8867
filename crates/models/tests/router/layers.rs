use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orchestrator_models::layers::{Attempt, LimitLayer, TimeoutLayer};
use orchestrator_models::{ChatStream, ErrorKind, ProviderError, Request};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use super::well;

#[tokio::test(start_paused = true)]
async fn a_full_provider_is_not_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = asked.clone();
    let silent = service_fn(move |_: Attempt| {
        counting.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, ProviderError>(ChatStream::new(futures::stream::pending())) }
    });
    let stack = ServiceBuilder::new().layer(LimitLayer::new(Duration::from_secs(1))).service(silent);
    let mut member = well("a");
    member.concurrent_max = 1;
    let attempt = Attempt::of(member, Request::new("m", vec![]));
    let held = stack.clone().oneshot(attempt.clone()).await.expect("a place");
    let refusal = stack.clone().oneshot(attempt.clone()).await.expect_err("no place");
    assert_eq!((refusal.kind, asked.load(Ordering::SeqCst)), (ErrorKind::Busy, 1));
    drop(held);
    stack.oneshot(attempt).await.expect("a place again");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_the_providers_silence() {
    let chatty = service_fn(|_: Attempt| async {
        let events = (0..3).map(|index| Ok(orchestrator_transcript::StreamEvent::BlockStop { index }));
        Ok::<_, ProviderError>(ChatStream::new(futures::stream::iter(events)))
    });
    let layer = TimeoutLayer::new(Duration::from_secs(1), Duration::from_secs(1));
    let attempt = Attempt::of(well("a"), Request::new("m", vec![]));
    let mut stream = ServiceBuilder::new().layer(layer).service(chatty).oneshot(attempt).await.expect("a stream");
    while let Some(event) = stream.next().await {
        event.expect("no time-out");
        tokio::time::advance(Duration::from_secs(60)).await;
    }
}

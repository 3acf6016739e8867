//! Every store keeps every promise, and the handle stops at once and fails on the safe side.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use orchestrator_events::{MemoryLog, Numbering, SqlLog};
use orchestrator_security::Emergency;
use orchestrator_security::emergency::conformance::Subject;
use orchestrator_security::emergency::{Error, MemoryStore, Order, Release, SqlStore, Store};
use orchestrator_sql::{Backend, Database, Options, Scratch};
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use tokio_util::sync::CancellationToken;

async fn in_memory() -> Subject {
    let log = Arc::new(MemoryLog::default());
    Subject { store: Arc::new(MemoryStore::new(log.clone())), log, keep: () }
}

async fn on(backend: Backend) -> Subject<Scratch> {
    let keep = Scratch::create(backend).await.unwrap();
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(keep.url(), options).await.unwrap();
    let log = Arc::new(SqlLog::open(database.clone(), &numbering).await.unwrap());
    Subject { store: Arc::new(SqlStore::open(database).await.unwrap()), log, keep }
}

mod memory {
    orchestrator_security::emergency_store_conformance!(super::in_memory());
}

mod sqlite {
    orchestrator_security::emergency_store_conformance!(super::on(orchestrator_sql::Backend::Sqlite));
}

mod postgres {
    orchestrator_security::emergency_store_conformance!(super::on(orchestrator_sql::Backend::Postgres));
}

/// A store that answers only while it works.
#[derive(Default)]
struct Fragile {
    memory: MemoryStore,
    is_broken: AtomicBool,
}

impl Fragile {
    fn works(&self) -> Result<(), Error> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(Error::Store("it is broken".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Fragile {
    async fn orders(&self) -> Result<Vec<Order>, Error> {
        self.works()?;
        self.memory.orders().await
    }

    async fn stop(&self, order: Order) -> Result<Order, Error> {
        self.works()?;
        self.memory.stop(order).await
    }

    async fn release(&self, release: Release) -> Result<Option<Order>, Error> {
        self.works()?;
        self.memory.release(release).await
    }
}

fn root() -> Actor {
    Actor::User("root".to_owned())
}

async fn over(store: &Arc<Fragile>) -> Result<Emergency, Error> {
    Emergency::open(store.clone(), Arc::new(SystemClock)).await
}

#[tokio::test]
async fn without_an_answer_of_the_store_nothing_can_start() {
    let store = Arc::new(Fragile::default());
    store.is_broken.store(true, Ordering::SeqCst);
    assert!(matches!(over(&store).await, Err(Error::Store(_))));
}

#[tokio::test]
async fn an_order_is_in_force_though_it_cannot_be_written_down_and_is_written_down_later() {
    let store = Arc::new(Fragile::default());
    let emergency = over(&store).await.unwrap();
    store.is_broken.store(true, Ordering::SeqCst);
    let refused = emergency.stop(OrgId::LOCAL, "now", root()).await;
    assert!(matches!(refused, Err(Error::NotKept(_))), "{refused:?}");
    assert!(emergency.check(OrgId::new()).is_err());
    emergency.refresh().await.unwrap_err();
    assert!(emergency.check(OrgId::LOCAL).is_err());
    store.is_broken.store(false, Ordering::SeqCst);
    emergency.refresh().await.unwrap();
    assert_eq!(store.orders().await.unwrap().len(), 1);
    assert!(over(&store).await.unwrap().check(OrgId::LOCAL).is_err(), "also after a restart");
}

#[tokio::test]
async fn what_cannot_be_released_stays_in_force() {
    let store = Arc::new(Fragile::default());
    let emergency = over(&store).await.unwrap();
    emergency.stop(OrgId::LOCAL, "now", root()).await.unwrap();
    store.is_broken.store(true, Ordering::SeqCst);
    assert!(matches!(emergency.release(OrgId::LOCAL, "over", root()).await, Err(Error::Store(_))));
    assert!(emergency.check(OrgId::LOCAL).is_err());
}

#[tokio::test]
async fn the_operator_stops_all_and_others_themselves_and_reasons_stay_where_they_were_given() {
    let emergency = over(&Arc::default()).await.unwrap();
    let (ours, theirs) = (OrgId::LOCAL, OrgId::new());
    emergency.stop(theirs, "a private matter", root()).await.unwrap();
    assert!(emergency.check(ours).is_ok());
    assert!(emergency.check(theirs).unwrap_err().to_string().contains("a private matter"));
    emergency.stop(ours, "an operator's matter", root()).await.unwrap();
    let told = emergency.check(theirs).unwrap_err().to_string();
    assert!(told.starts_with("the operator has stopped everything") && !told.contains("matter"), "{told}");
    emergency.release(ours, "over", root()).await.unwrap();
    assert!(emergency.check(ours).is_ok() && emergency.check(theirs).is_err());
    assert!(matches!(emergency.release(ours, "over", root()).await, Err(Error::NotStopped)));
}

#[tokio::test]
async fn a_reason_is_needed() {
    let emergency = over(&Arc::default()).await.unwrap();
    for reason in ["", " ", &"x".repeat(501)] {
        let refused = emergency.stop(OrgId::LOCAL, reason, root()).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "reason", .. })), "{reason:?}");
    }
    assert!(emergency.check(OrgId::LOCAL).is_ok());
}

#[tokio::test]
async fn work_under_way_is_dropped_and_none_is_begun() {
    let emergency = over(&Arc::default()).await.unwrap();
    let at_work = CancellationToken::new();
    let guard = at_work.clone().drop_guard();
    let working = emergency.unless_stopped(OrgId::LOCAL, async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    let stopping = emergency.stop(OrgId::LOCAL, "now", root());
    let (worked, stopped) = tokio::join!(biased; working, stopping);
    stopped.unwrap();
    assert_eq!(worked.unwrap_err().reason.as_deref(), Some("now"));
    assert!(at_work.is_cancelled(), "it was dropped");
    let never = emergency.unless_stopped(OrgId::LOCAL, async { panic!("it was begun") }).await;
    never.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn what_another_daemon_orders_is_heard_of() {
    let store = Arc::new(Fragile::default());
    let (here, there) = (over(&store).await.unwrap(), over(&store).await.unwrap());
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "a test's own task")]
    let running = tokio::spawn({
        let (there, stop) = (there.clone(), stop.clone());
        async move { there.run(stop).await }
    });
    here.stop(OrgId::LOCAL, "now", root()).await.unwrap();
    assert_eq!(there.stopped(OrgId::LOCAL).await.reason.as_deref(), Some("now"));
    here.release(OrgId::LOCAL, "over", root()).await.unwrap();
    there.released(OrgId::LOCAL).await;
    stop.cancel();
    running.await.unwrap();
}

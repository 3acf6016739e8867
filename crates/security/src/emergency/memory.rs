use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::MemoryLog;
use orchestrator_vocab::OrgId;

use super::{Error, Order, Release, Store, event};

/// Orders that last as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    log: Arc<MemoryLog>,
    orders: Mutex<BTreeMap<OrgId, Order>>,
}

impl MemoryStore {
    /// A store that appends its events to `log`.
    pub fn new(log: Arc<MemoryLog>) -> Self {
        Self { log, orders: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<OrgId, Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn orders(&self) -> Result<Vec<Order>, Error> {
        Ok(self.all().values().cloned().collect())
    }

    async fn stop(&self, order: Order) -> Result<Order, Error> {
        let mut orders = self.all();
        if let Some(earlier) = orders.get(&order.org) {
            return Ok(earlier.clone());
        }
        orders.insert(order.org, order.clone());
        self.log.append(vec![event::stopped(&order)]);
        Ok(order)
    }

    async fn release(&self, release: Release) -> Result<Option<Order>, Error> {
        let mut orders = self.all();
        let Some(order) = orders.remove(&release.org) else { return Ok(None) };
        self.log.append(vec![event::released(&order, &release)]);
        Ok(Some(order))
    }
}

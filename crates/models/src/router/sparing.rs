use super::{Ask, Inner};
use crate::layers::Account;
use crate::{Degraded, Target};

/// Who could answer, in the order of the configuration.
pub(super) struct Line {
    pub(super) targets: Vec<Target>,
    /// So many are in front because one was asked for by name.
    pub(super) pinned: usize,
    pub(super) degraded: Vec<Degraded>,
}

impl Inner {
    /// Puts cheaper models in front of those that they are to be asked in the place of.
    pub(super) async fn sparing(&self, targets: Vec<Target>, ask: &Ask) -> Line {
        let named = usize::from(ask.model.is_some());
        let Some(thrift) = &self.thrift else {
            return Line { targets, pinned: named, degraded: Vec::new() };
        };
        let mut line = Line { targets: Vec::new(), pinned: 0, degraded: Vec::new() };
        for (number, model) in targets.into_iter().enumerate() {
            let account = Account { org: ask.org, attribution: ask.attribution.clone() };
            if let Some(instead) = thrift(account, model.clone()).await
                && let Ok(cheaper) = self.pool.resolve(&instead.model)
            {
                let (limit, used_permille) = (instead.limit, instead.used_permille);
                line.degraded.push(Degraded { model: model.clone(), instead: cheaper.clone(), limit, used_permille });
                line.push(cheaper);
            }
            line.push(model);
            if number < named {
                line.pinned = line.targets.len();
            }
        }
        line
    }
}

impl Line {
    fn push(&mut self, target: Target) {
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }
}

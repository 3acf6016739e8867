use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::Error;

/// How many sessions may be active. The number may change while some are.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Closed when the daemon drains.
    permits: Arc<Semaphore>,
    most: Mutex<Most>,
}

#[derive(Debug)]
struct Most {
    max: usize,
    /// Permits in use beyond `max`: they are not given back.
    excess: usize,
}

/// The right of one session to be active, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { permits: Arc::new(Semaphore::new(max)), most: Mutex::new(Most { max, excess: 0 }) })
    }

    pub(crate) fn enter(self: &Arc<Self>) -> Result<Permit, Error> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|refusal| match refusal {
            TryAcquireError::NoPermits => Error::AtCapacity { max: self.most().max },
            TryAcquireError::Closed => Error::Draining,
        })?;
        Ok(Permit { admission: self.clone(), permit: Some(permit) })
    }

    /// Nobody is ended by a smaller number: it holds once enough sessions have ended.
    pub(crate) fn resize(&self, max: usize) {
        let mut most = self.most();
        if max < most.max {
            let surplus = most.max - max;
            most.excess += surplus - self.permits.forget_permits(surplus);
        } else {
            let more = max - most.max;
            let kept = more.min(most.excess);
            most.excess -= kept;
            self.permits.add_permits(more - kept);
        }
        most.max = max;
    }

    pub(crate) fn active(&self) -> usize {
        let most = self.most();
        (most.max + most.excess).saturating_sub(self.free())
    }

    pub(crate) fn free(&self) -> usize {
        self.permits.available_permits()
    }

    pub(crate) fn close(&self) {
        self.permits.close();
    }

    fn most(&self) -> MutexGuard<'_, Most> {
        self.most.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut most = self.admission.most();
        if most.excess > 0 {
            most.excess -= 1;
            permit.forget();
        } else {
            drop(permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_are_admitted_once_enough_have_left() {
        let admission = Admission::new(3);
        let mut inside: Vec<_> = (0..3).map(|_| admission.enter().unwrap()).collect();
        admission.resize(1);
        assert_eq!((admission.active(), admission.free()), (3, 0));
        inside.truncate(1);
        assert_eq!((admission.active(), admission.free()), (1, 0));
        assert!(matches!(admission.enter(), Err(Error::AtCapacity { max: 1 })));
        inside.clear();
        assert_eq!((admission.active(), admission.free()), (0, 1));
    }

    #[test]
    fn more_are_admitted_at_once() {
        let admission = Admission::new(2);
        let _inside = (admission.enter().unwrap(), admission.enter().unwrap());
        admission.resize(1);
        admission.resize(3);
        assert_eq!((admission.active(), admission.free()), (2, 1));
        admission.enter().unwrap();
        admission.close();
        assert!(matches!(admission.enter(), Err(Error::Draining)));
    }
}

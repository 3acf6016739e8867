//! Every command, once, for every store. A command reads through its [`Plan`], refuses or changes the tasks in it, and
//! the plan writes what is different afterwards.

mod approval;
mod bind;
mod claim;
mod create;
mod depend;
mod finish;
mod lease;
mod plan;
mod schedule;
mod settle;
mod sweep;
mod update;

use async_trait::async_trait;

pub(crate) use approval::{Approve, AwaitApproval, Resume};
pub(crate) use claim::{Assign, Pull, Skips, with_load};
pub(crate) use create::Create;
pub(crate) use depend::{Depend, Undepend};
pub(crate) use finish::{Cancel, CompleteMany, Delete, Fail};
pub(crate) use lease::{Heartbeat, Release, Requeue};
pub(crate) use plan::{Effects, Plan};
pub(crate) use schedule::{CreateSchedule, DeleteSchedule, Fire, Trigger, UpdateSchedule};
pub(crate) use sweep::Wake;
pub(crate) use update::{Retry, Update};

use crate::Error;

/// Something that changes the backlog, as data. It may run several times for one answer, so it keeps no traces.
#[async_trait]
pub(crate) trait Command: Send + Sync + 'static {
    /// What the caller gets.
    type Output: Send + 'static;

    /// Reads and refuses, then changes the plan.
    async fn run(&self, plan: &mut Plan<'_>) -> Result<Self::Output, Error>;
}

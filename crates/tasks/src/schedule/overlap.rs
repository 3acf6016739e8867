use orchestrator_vocab::TaskId;
use serde::{Deserialize, Serialize};

/// How many tasks of a schedule may wait for each other under [`Overlap::Queue`]. More are skipped.
pub const QUEUED_MAX: usize = 10;

/// What happens at an instant if tasks of earlier instants have not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// The instant is skipped, and the skip recorded. The default.
    #[default]
    Skip,
    /// The new task waits until the newest of them has ended in any way. At most [`QUEUED_MAX`] may be unfinished.
    Queue,
    /// They are cancelled.
    Replace,
    /// They run side by side.
    Allow,
}

/// What to do at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Firing {
    /// Create the task.
    Create,
    /// Create the task; it depends on this one and runs however that ends.
    CreateAfter(TaskId),
    /// Cancel these, then create the task.
    CreateInsteadOf(Vec<TaskId>),
    /// Record a skip, for this reason.
    Skip(&'static str),
}

impl Overlap {
    /// What to do at an instant while these tasks of the schedule have not finished.
    pub fn firing(self, unfinished: &[TaskId]) -> Firing {
        let Some(newest) = unfinished.iter().max() else { return Firing::Create };
        match self {
            Self::Skip => Firing::Skip("an earlier task has not finished"),
            Self::Queue if unfinished.len() >= QUEUED_MAX => Firing::Skip("too many earlier tasks have not finished"),
            Self::Queue => Firing::CreateAfter(*newest),
            Self::Replace => Firing::CreateInsteadOf(unfinished.to_vec()),
            Self::Allow => Firing::Create,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_answers_an_unfinished_task_in_its_way() {
        let (older, newer) = (TaskId::new(), TaskId::new());
        let unfinished = [newer, older];
        assert_eq!(Overlap::Skip.firing(&unfinished), Firing::Skip("an earlier task has not finished"));
        assert_eq!(Overlap::Queue.firing(&unfinished), Firing::CreateAfter(newer));
        assert_eq!(Overlap::Replace.firing(&unfinished), Firing::CreateInsteadOf(unfinished.to_vec()));
        assert_eq!(Overlap::Allow.firing(&unfinished), Firing::Create);
    }

    #[test]
    fn without_an_unfinished_task_every_policy_creates() {
        for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace, Overlap::Allow] {
            assert_eq!(overlap.firing(&[]), Firing::Create);
        }
    }

    #[test]
    fn a_queue_has_an_end() {
        let unfinished: Vec<TaskId> = (0..QUEUED_MAX).map(|_| TaskId::new()).collect();
        assert!(matches!(Overlap::Queue.firing(&unfinished), Firing::Skip(_)));
    }
}

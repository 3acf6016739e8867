use std::time::Duration;

use orchestrator_vocab::Timestamp;
use serde_json::{Value, json};

use crate::params::Params;
use crate::show::{exactly, text};
use crate::values;

/// When.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// A cron pattern of five to seven fields, such as "0 9 * * MON-FRI"; seconds come first if there are six
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["every", "at"])]
    cron: Option<String>,
    /// Again and again, at this distance
    #[arg(long, value_name = "TIME", value_parser = values::span, conflicts_with = "at")]
    every: Option<Duration>,
    /// Once: a time, or from now (+10m)
    #[arg(long, value_name = "TIME", value_parser = values::when)]
    at: Option<Timestamp>,
    /// The time zone of the cron pattern, such as Europe/Berlin; else UTC
    #[arg(long, value_name = "ZONE", requires = "cron")]
    time_zone: Option<String>,
}

impl PlanArgs {
    pub(super) fn plan(&self) -> Option<Value> {
        if let Some(pattern) = &self.cron {
            let zone = self.time_zone.as_deref().unwrap_or("UTC");
            return Some(json!({ "cron": { "pattern": pattern, "timeZone": zone } }));
        }
        if let Some(every) = self.every {
            return Some(json!({ "every": { "intervalMs": whole(every) } }));
        }
        self.at.map(|at| json!({ "at": at }))
    }
}

/// How it behaves when things do not go as planned.
#[derive(Debug, clap::Args)]
pub(crate) struct Habits {
    /// If an earlier task has not ended: skip, queue, replace or allow
    #[arg(long)]
    overlap: Option<String>,
    /// How late an instant may still be dealt with, for example after the daemon was down
    #[arg(long, value_name = "TIME", value_parser = values::span)]
    catch_up: Option<Duration>,
    /// Of the instants that are late, the newest so many still create tasks
    #[arg(long, value_name = "NUMBER")]
    catch_up_max: Option<u32>,
    /// Puts each instant off by up to this
    #[arg(long, value_name = "TIME", value_parser = values::span)]
    jitter: Option<Duration>,
}

impl Habits {
    pub(super) fn params(&self) -> Params {
        Params::new()
            .maybe("overlap", self.overlap.as_ref())
            .maybe("catchUpWindowMs", self.catch_up.map(whole))
            .maybe("catchUpMax", self.catch_up_max)
            .maybe("jitterMs", self.jitter.map(whole))
    }
}

fn whole(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A plan in a few words.
pub(super) fn sentence(plan: &Value) -> String {
    if let Some(cron) = plan.get("cron") {
        return format!("{} {}", text(cron, "pattern"), text(cron, "timeZone"));
    }
    match plan.pointer("/every/intervalMs") {
        Some(interval) => format!("every {}", exactly(interval)),
        None => format!("at {}", text(plan, "at")),
    }
}

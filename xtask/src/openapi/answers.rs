use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What a daemon answered, from an HTTP archive.
#[derive(Debug)]
pub(super) struct Answers(Vec<Entry>);

#[derive(Debug, Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Debug, Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    request: Request,
    response: Response,
}

#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Response {
    /// 0 where there was none.
    status: u16,
}

impl Answers {
    pub(super) fn read(archive: &Path) -> Result<Self> {
        let text = std::fs::read(archive).with_context(|| format!("cannot read {}", archive.display()))?;
        let archive: Archive = serde_json::from_slice(&text).context("this is no HTTP archive")?;
        Ok(Self(archive.log.entries))
    }

    /// How many succeeded; OPTIONS, which always does, left out.
    pub(super) fn successes(&self) -> usize {
        self.succeeded().count()
    }

    /// How many routes succeeded at least once.
    pub(super) fn operations(&self) -> usize {
        self.succeeded()
            .map(|entry| (entry.request.method.as_str(), route(&entry.request.url)))
            .collect::<BTreeSet<_>>()
            .len()
    }

    fn succeeded(&self) -> impl Iterator<Item = &Entry> {
        let is_success = |entry: &&Entry| (200..300).contains(&entry.response.status);
        self.0.iter().filter(is_success).filter(|entry| entry.request.method != "OPTIONS")
    }
}

/// The path without its id, which is its fourth segment: `/api/v1/tasks/…/cancel`.
fn route(url: &str) -> String {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest).split('?').next().unwrap_or_default();
    let segments = path.split('/').enumerate();
    segments.map(|(place, segment)| if place == 4 { "" } else { segment }).skip(1).collect::<Vec<_>>().join("/")
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut statuses = BTreeMap::<u16, usize>::new();
        for entry in &self.0 {
            *statuses.entry(entry.response.status).or_default() += 1;
        }
        write!(f, "{} answers:", self.0.len())?;
        statuses.iter().try_for_each(|(status, count)| write!(f, " {status}×{count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successes_are_told_from_refusals_and_routes_from_each_other() {
        let entry = |method: &str, path: &str, status: u16| {
            let (method, url) = (method.to_owned(), format!("http://127.0.0.1:1{path}"));
            Entry { request: Request { method, url }, response: Response { status } }
        };
        let answers = Answers(vec![
            entry("GET", "/api/v1/tasks?limit=1", 200),
            entry("GET", "/api/v1/tasks/task_1", 200),
            entry("GET", "/api/v1/tasks/task_2", 200),
            entry("POST", "/api/v1/tasks", 201),
            entry("POST", "/api/v1/schedules", 422),
            entry("OPTIONS", "/api/v1/schedules", 204),
        ]);
        assert_eq!((answers.successes(), answers.operations()), (4, 3));
        assert_eq!(answers.to_string(), "6 answers: 200×3 201×1 204×1 422×1");
    }
}

use std::collections::BTreeMap;

use orchestrator_transcript::Usage;
use orchestrator_vocab::{OrgId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::savings::{Saving, savings};
use crate::{Amount, Error, Group, Ledger, ScopeKind, Span, Sum};

/// The most rows of a report.
const ROWS_MAX: usize = 1_000;
/// The most quarters of an hour that are added up: four hundred days.
const QUARTERS_MAX: usize = 40_000;
/// The longest time a report is about, in milliseconds.
const SPAN_MAX: i64 = 400 * 24 * 3_600_000;

/// By what a report tells spending apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// By days.
    #[default]
    Day,
    /// By weeks.
    Week,
    /// By months.
    Month,
    /// By teams.
    Team,
    /// By agents.
    Agent,
    /// By sessions.
    Session,
    /// By tasks.
    Task,
    /// By models.
    Model,
    /// By providers.
    Provider,
}

/// What was spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// By what it is told apart.
    pub by: By,
    /// From when on.
    pub from: Timestamp,
    /// Until before when.
    pub until: Timestamp,
    /// Times in their order, all else with the most tokens first; 1,000 at most.
    pub rows: Vec<ReportRow>,
    /// All of it, also what is not among the rows.
    pub total: ReportRow,
    /// What the same requests would have cost otherwise, the largest saving first.
    pub savings: Vec<Saving>,
}

/// A part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportRow {
    /// What it is called: the first day of a time, or a name, which is empty for what has none.
    pub name: String,
    /// How many requests.
    pub requests: u64,
    /// How many of them are estimated.
    pub estimated: u64,
    /// The tokens, by kind.
    pub usage: Usage,
    /// The tokens, and what they cost.
    #[serde(flatten)]
    pub amount: Amount,
}

impl By {
    fn span(self) -> Option<Span> {
        match self {
            Self::Day => Some(Span::Day),
            Self::Week => Some(Span::Week),
            Self::Month => Some(Span::Month),
            _ => None,
        }
    }

    fn kind(self) -> ScopeKind {
        match self {
            Self::Day | Self::Week | Self::Month => ScopeKind::Organisation,
            Self::Team => ScopeKind::Team,
            Self::Agent => ScopeKind::Agent,
            Self::Session => ScopeKind::Session,
            Self::Task => ScopeKind::Task,
            Self::Model => ScopeKind::Model,
            Self::Provider => ScopeKind::Provider,
        }
    }
}

impl ReportRow {
    fn named(name: String, sum: &Sum) -> Self {
        Self { name, requests: sum.requests, estimated: sum.estimated, usage: sum.usage, amount: sum.amount }
    }

    fn add(&mut self, sum: &Sum) {
        self.requests += sum.requests;
        self.estimated += sum.estimated;
        self.usage += sum.usage;
        self.amount += sum.amount;
    }
}

impl Ledger {
    /// What was spent in a time: from the beginning of the present month until now, unless it is said otherwise.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a time that ends before it begins, or is longer than 400 days; [`Error::Store`].
    pub async fn report(
        &self,
        org: OrgId,
        by: By,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Report, Error> {
        let (now, zone) = (self.now(), self.zone());
        let until = until.unwrap_or(Timestamp(now.millis().saturating_add(1)));
        let from = from.unwrap_or_else(|| zone.window(Span::Month, Timestamp(until.millis().saturating_sub(1))).start);
        if from >= until || until.millis().saturating_sub(from.millis()) > SPAN_MAX {
            return Err(Error::invalid("from", "expected a time before `until`, by 400 days at most"));
        }
        let rows = match by.span() {
            Some(span) => self.by_time(org, span, from, until).await?,
            None => {
                let sums = self.store().sums(org, Group::Scope(by.kind()), from, until, ROWS_MAX).await?;
                sums.iter().map(|sum| ReportRow::named(named(sum), sum)).collect()
            }
        };
        let models = self.store().sums(org, Group::Scope(ScopeKind::Model), from, until, QUARTERS_MAX).await?;
        let mut total = ReportRow { name: "total".into(), ..ReportRow::default() };
        models.iter().for_each(|sum| total.add(sum));
        let savings = savings(self, &models, &zone.day(now));
        Ok(Report { by, from, until, rows, total, savings })
    }

    async fn by_time(
        &self,
        org: OrgId,
        span: Span,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<ReportRow>, Error> {
        let zone = self.zone();
        let mut rows: BTreeMap<Timestamp, ReportRow> = BTreeMap::new();
        for sum in self.store().sums(org, Group::Quarter, from, until, QUARTERS_MAX).await? {
            let at = Timestamp(sum.name.parse().map_err(|_| Error::store("a quarter of an hour is no number"))?);
            let start = zone.window(span, at.max(from)).start;
            rows.entry(start).or_insert_with(|| ReportRow { name: zone.day(start), ..ReportRow::default() }).add(&sum);
        }
        Ok(rows.into_values().take(ROWS_MAX).collect())
    }
}

fn named(sum: &Sum) -> String {
    if sum.provider.is_empty() { sum.name.clone() } else { format!("{}/{}", sum.provider, sum.name) }
}

impl Report {
    /// As comma-separated values (RFC 4180), with a line of names first.
    pub fn csv(&self) -> String {
        let mut text =
            "name,requests,estimated,input,cacheRead,cacheWrite5m,cacheWrite1h,output,tokens,usd\r\n".to_owned();
        for row in self.rows.iter().chain([&self.total]) {
            let usage = row.usage;
            let numbers = [
                row.requests,
                row.estimated,
                usage.input,
                usage.cache_read,
                usage.cache_write_5m,
                usage.cache_write_1h,
                usage.output,
                row.amount.tokens.0,
            ];
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            text.push_str(&format!("{},{},{}\r\n", quoted(&row.name), numbers.join(","), row.amount.nano_usd));
        }
        text
    }
}

/// A name that a spreadsheet would take for a formula is made a text.
fn quoted(name: &str) -> String {
    let name = if name.starts_with(['=', '+', '-', '@']) { format!("'{name}") } else { name.to_owned() };
    let is_plain = !name.contains([',', '"', '\r', '\n']);
    if is_plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_column() {
        for (name, expected) in [("a", "a"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("=1+1", "'=1+1"), ("", "")] {
            assert_eq!(quoted(name), expected);
        }
    }
}

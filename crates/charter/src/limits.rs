use serde::Serialize;

/// How much may be used up. What is not given is not limited here.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimits {
    /// Sessions of one agent at once, 1 to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// Tokens of all requests and answers of one session, 1 or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_per_session: Option<u64>,
    /// Tasks of one agent at once, 1 to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_tasks: Option<u32>,
    /// Tokens in a span of time.
    pub token_budget: TokenBudget,
    /// US dollars a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_budget: Option<f64>,
    /// How long one task may be worked on, in milliseconds.
    #[serde(rename = "maxDuration", skip_serializing_if = "Option::is_none")]
    pub max_duration_ms: Option<u64>,
}

/// Tokens in each span of time, none larger than a longer one's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenBudget {
    /// In an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u64>,
    /// In a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u64>,
    /// In a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u64>,
    /// In a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u64>,
}

/// The smaller of two limits; one that is not given limits nothing.
pub(crate) fn least<N: PartialOrd>(one: Option<N>, other: Option<N>) -> Option<N> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other < one { other } else { one }),
        (one, other) => one.or(other),
    }
}

impl ResourceLimits {
    /// What both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (mine, theirs) = (&self.token_budget, &other.token_budget);
        Self {
            max_sessions: least(self.max_sessions, other.max_sessions),
            max_tokens_per_session: least(self.max_tokens_per_session, other.max_tokens_per_session),
            max_concurrent_tasks: least(self.max_concurrent_tasks, other.max_concurrent_tasks),
            token_budget: TokenBudget {
                hourly: least(mine.hourly, theirs.hourly),
                daily: least(mine.daily, theirs.daily),
                weekly: least(mine.weekly, theirs.weekly),
                monthly: least(mine.monthly, theirs.monthly),
            },
            cost_budget: least(self.cost_budget, other.cost_budget),
            max_duration_ms: least(self.max_duration_ms, other.max_duration_ms),
        }
    }

    /// How many tasks one agent may have at once: each has a session of its own.
    pub fn at_once(&self) -> Option<u32> {
        least(self.max_sessions, self.max_concurrent_tasks)
    }

    /// Each that is given, by its key, as a number.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let number = |value: Option<u64>| {
            #[expect(clippy::cast_precision_loss, reason = "only compared and shown; limits are below 2^53")]
            value.map(|value| value as f64)
        };
        let budget = &self.token_budget;
        [
            ("resourceLimits.maxSessions", self.max_sessions.map(f64::from)),
            ("resourceLimits.maxTokensPerSession", number(self.max_tokens_per_session)),
            ("resourceLimits.maxConcurrentTasks", self.max_concurrent_tasks.map(f64::from)),
            ("resourceLimits.tokenBudget.hourly", number(budget.hourly)),
            ("resourceLimits.tokenBudget.daily", number(budget.daily)),
            ("resourceLimits.tokenBudget.weekly", number(budget.weekly)),
            ("resourceLimits.tokenBudget.monthly", number(budget.monthly)),
            ("resourceLimits.costBudget", self.cost_budget),
            ("resourceLimits.maxDuration", number(self.max_duration_ms)),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
    }
}

use super::keys::Effect::Live;
use super::keys::{Key, key};

const DOLLARS: &str = "US dollars per million tokens";

/// The keys of `budget`.
pub(super) const BUDGET: &[Key] = &[
    key("budget.daily", "tokens, `null` for no limit", Live, "The most an organisation may spend in a day."),
    key(
        "budget.weekly",
        "tokens, `null` for no limit",
        Live,
        "The most an organisation may spend in a week, from Monday.",
    ),
    key(
        "budget.monthly",
        "tokens, `null` for no limit",
        Live,
        "The most an organisation may spend in a calendar month.",
    ),
    key(
        "budget.limits",
        "list of `{scope, window, tokens, usd}`, up to 200",
        Live,
        "More limits, of every organisation. `scope`: `organisation`, or `team`, `agent`, `session`, `task`, `model` or `provider` with a name, such as `agent:coder`, or `agent:*` for each; `window`: `hour`, `day`, `week` or `month`; `usd` as text, such as `\"12.50\"`. One takes the place of `daily`, `weekly` or `monthly` with the same scope and window.",
    ),
    key("budget.alertsEnabled", "true or false", Live, "Whether `budget.alert` tells that much of a limit is spent."),
    key("budget.alertThreshold", "over 0 to 1", Live, "From which share of a limit on that is much."),
    key(
        "budget.paceCheckMs",
        "ms, 100 to 3600000, `null` for never",
        Live,
        "How often it is looked whether a limit is spent so fast that it will not last for its window; then `budget.pace` tells, once.",
    ),
    key(
        "budget.degrade.models.NAME",
        "`provider/model`",
        Live,
        "From `alertThreshold` of a limit on, the model that is asked in the place of this one (`provider/model`), also where this one was named. One that lacks what the request needs is not; this one is asked if all others fail. For the window of the limit.",
    ),
    key(
        "budget.degrade.throttlePerMinute",
        "1 to 100000, `null` for as many as come",
        Live,
        "And how many requests may begin in a minute that count in the same limit. Others are told when to come again.",
    ),
    key("budget.timeZone", "IANA name", Live, "Where days, weeks and months begin."),
    key(
        "budget.unknownPriceCeiling",
        DOLLARS_OR_NULL,
        Live,
        "What a model is taken for of which nobody knows what it costs; `null`: it is not asked.",
    ),
    key(
        "budget.outputEstimate",
        "tokens, 1 to 1000000",
        Live,
        "How long an answer of a model is expected to be that has not answered an agent often enough to know.",
    ),
    key(
        "budget.countTokens",
        "`never`, `near-limit` or `always`",
        Live,
        "When a provider that counts (Anthropic) is asked how many tokens of input a request is: never, if by the estimate a limit is in the way or `alertThreshold` of one is passed, or always. Without an answer within 2 s the estimate counts.",
    ),
    key(
        "budget.reservationMs",
        "ms, 10000 to 86400000",
        Live,
        "For how long what is reserved is kept for a daemon that gives no sign of life.",
    ),
    key("budget.retentionDays", "days, 62 to 3660", Live, "How long it is remembered what was spent on what."),
    key(
        "budget.prices.NAME.input",
        DOLLARS,
        Live,
        "What a model costs, by `provider/model`, `model` or a beginning of either with `*`. It wins over what the daemon knows.",
    ),
    key("budget.prices.NAME.output", DOLLARS, Live, "Of output; 0 unless it is said."),
    key("budget.prices.NAME.cacheRead", DOLLARS, Live, "Of input read from the cache; as input unless it is said."),
    key(
        "budget.prices.NAME.cacheWrite5m",
        DOLLARS,
        Live,
        "Of input written to it for five minutes; as input unless it is said.",
    ),
    key("budget.prices.NAME.cacheWrite1h", DOLLARS, Live, "And for an hour; as for five minutes unless it is said."),
    key("budget.prices.NAME.long.above", "tokens", Live, "Requests with more input than that cost what follows."),
    key("budget.prices.NAME.long.input", DOLLARS, Live, "Of input."),
    key("budget.prices.NAME.long.output", DOLLARS, Live, "Of output."),
    key(
        "budget.prices.NAME.long.cacheRead",
        DOLLARS,
        Live,
        "Of input read from the cache; as input unless it is said.",
    ),
    key("budget.prices.NAME.batch.input", DOLLARS, Live, "Of input in a batch, for what could be saved."),
    key("budget.prices.NAME.batch.output", DOLLARS, Live, "And of output."),
];

const DOLLARS_OR_NULL: &str = "US dollars per million tokens, or `null`";

use std::collections::BTreeMap;

use orchestrator_vocab::Tokens;
use serde::{Deserialize, Serialize};

use crate::{CountTokens, Degrade, Error, Limit, Policy, Price, PriceBook, Rate, Scope, Share, Span, Zone};

/// The most limits that can be configured: each is looked at for every request.
const LIMITS_MAX: usize = 200;

/// What an operator decides about money. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The most tokens an organisation may spend in a day; `null` for no limit. Default 1,000,000.
    pub daily: Option<Tokens>,
    /// In a week, from Monday. Default 5,000,000.
    pub weekly: Option<Tokens>,
    /// In a calendar month. Default 20,000,000.
    pub monthly: Option<Tokens>,
    /// More limits, of every organisation.
    pub limits: Vec<Limit>,
    /// Whether an organisation is told that much of a limit is spent. Default true.
    pub alerts_enabled: bool,
    /// From which share of a limit on, over 0 to 1. Default 0.8.
    pub alert_threshold: Share,
    /// How often it is looked whether a limit is spent so fast that it will not last for its window, in milliseconds, 100 to
    /// 3,600,000; `null` for never. Default 60,000.
    pub pace_check_ms: Option<u64>,
    /// What is done from `alertThreshold` on.
    pub degrade: Degrade,
    /// Where days, weeks and months begin. Default `UTC`.
    pub time_zone: Zone,
    /// What models cost, in US dollars per million tokens, by `provider/model`, `model` or a beginning of either with `*`. They
    /// win over what the daemon knows.
    pub prices: BTreeMap<String, Price>,
    /// What a model is taken for of which nobody knows what it costs, in US dollars per million tokens of any kind. `null`, the default:
    /// such models are not asked.
    pub unknown_price_ceiling: Option<Rate>,
    /// How many tokens of output are expected of a model that has not answered an agent often enough to know, 1 to
    /// 1,000,000. Default 1,024.
    pub output_estimate: u32,
    /// When a provider is asked how many tokens of input a request is. Default `near-limit`.
    pub count_tokens: CountTokens,
    /// For how long a reservation is kept of a daemon that gives no sign of life, in milliseconds, 10,000 to 86,400,000. Default
    /// 600,000.
    pub reservation_ms: u64,
    /// For how many days it is remembered what was spent on what, 62 to 3,660. Default 400.
    pub retention_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            daily: Some(Tokens(1_000_000)),
            weekly: Some(Tokens(5_000_000)),
            monthly: Some(Tokens(20_000_000)),
            limits: Vec::new(),
            alerts_enabled: true,
            alert_threshold: Share::USUAL,
            pace_check_ms: Some(60_000),
            degrade: Degrade::default(),
            time_zone: Zone::UTC,
            prices: BTreeMap::new(),
            unknown_price_ceiling: None,
            output_estimate: 1_024,
            count_tokens: CountTokens::default(),
            reservation_ms: 600_000,
            retention_days: 400,
        }
    }
}

impl Config {
    /// Checks what types do not.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        let within = |field, value: u64, least: u64, most: u64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(Error::invalid(field, format!("expected {least} to {most}, got {value}"))),
        };
        self.degrade.validate()?;
        within("paceCheckMs", self.pace_check_ms.unwrap_or(100), 100, 3_600_000)?;
        within("limits", self.limits.len() as u64, 0, LIMITS_MAX as u64)?;
        within("outputEstimate", self.output_estimate.into(), 1, 1_000_000)?;
        within("reservationMs", self.reservation_ms, 10_000, 86_400_000)?;
        within("retentionDays", self.retention_days.into(), 62, 3_660)?;
        for (number, limit) in self.limits.iter().enumerate() {
            limit.validate()?;
            if self.limits[..number].iter().any(|other| other.replaces(limit)) {
                let problem = format!("{} per {} is limited twice", limit.scope, limit.window);
                return Err(Error::invalid("limits", problem));
            }
        }
        self.book().map(drop)
    }

    /// What models cost.
    ///
    /// # Errors
    /// As for [`PriceBook::new`].
    pub fn book(&self) -> Result<PriceBook, Error> {
        PriceBook::new(self.prices.clone(), self.unknown_price_ceiling)
    }

    /// What limits there are. One of `limits` takes the place of the same of `daily`, `weekly` and `monthly`.
    pub fn policy(&self) -> Policy {
        let usual = [(Span::Day, self.daily), (Span::Week, self.weekly), (Span::Month, self.monthly)];
        let mut limits = self.limits.clone();
        for (window, tokens) in usual {
            let limit = Limit { scope: Scope::ORGANISATION, window, tokens, usd: None, expires_at: None };
            if tokens.is_some() && !limits.iter().any(|other| other.replaces(&limit)) {
                limits.push(limit);
            }
        }
        Policy {
            limits,
            firm: Vec::new(),
            alert_at: self.alerts_enabled.then_some(self.alert_threshold),
            degrade_at: (!self.degrade.is_off()).then_some(self.alert_threshold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<usize, &str>) {
        let config: Config = serde_json::from_str(json).unwrap();
        let limits = config.validate().map(|()| config.policy().limits.len()).map_err(|error| error.to_string());
        match (limits, expected) {
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (limits, expected) => assert_eq!(
                limits.as_ref().map_err(String::as_str),
                expected.as_ref().copied().as_ref().map_err(|e| **e),
                "{json}"
            ),
        }
    }

    #[test]
    fn a_configuration_is_checked() {
        check("{}", Ok(3));
        check(r#"{ "daily": null, "weekly": 5, "alertThreshold": 0.8 }"#, Ok(2));
        let day = r#"{ "scope": "organisation", "window": "day", "usd": "2" }"#;
        check(&format!(r#"{{ "limits": [{day}] }}"#), Ok(3));
        check(&format!(r#"{{ "limits": [{day}, {day}] }}"#), Err("limited twice"));
        check(r#"{ "limits": [{ "scope": "agent:*", "window": "day" }] }"#, Err("tokens"));
        check(r#"{ "retentionDays": 3 }"#, Err("retentionDays"));
        check(r#"{ "prices": { "*": { "input": "1" } } }"#, Err("prices"));
    }

    #[test]
    fn it_survives_its_text() {
        let config = Config {
            limits: vec![serde_json::from_str(r#"{ "scope": "model:m", "window": "hour", "usd": "0.5" }"#).unwrap()],
            ..Config::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }
}

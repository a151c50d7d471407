//! `[sync.*]`: when to look for what webhooks did not bring, as cron expressions in UTC.

use std::str::FromStr as _;

use serde::{Deserialize, Deserializer};

/// When each resource is synced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Products with variants and items.
    pub products: Schedules,
    /// Locations and levels.
    pub inventory: Schedules,
}

/// When one resource is synced: six fields, seconds first, for instance `0 */5 * * * *`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedules {
    /// What changed since the last run.
    #[serde(deserialize_with = "cron")]
    pub quick: cron::Schedule,
    /// Everything.
    #[serde(deserialize_with = "cron")]
    pub full: cron::Schedule,
}

fn cron<'de, D: Deserializer<'de>>(deserializer: D) -> Result<cron::Schedule, D::Error> {
    let text = String::deserialize(deserializer)?;
    cron::Schedule::from_str(&text).map_err(|error| {
        serde::de::Error::custom(format!(
            "{text:?} is no cron expression ({error}): write six fields, seconds first, such as \"0 */5 * * * *\""
        ))
    })
}

impl Default for Schedules {
    fn default() -> Self {
        // Constants, and the test below reads them.
        let schedule = |text| cron::Schedule::from_str(text).expect("a cron expression");
        Self { quick: schedule("0 */5 * * * *"), full: schedule("0 30 3 * * *") }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_schedules_are_cron_expressions() {
        assert_eq!(super::Schedules::default().quick.source(), "0 */5 * * * *");
    }
}

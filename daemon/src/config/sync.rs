//! `[sync]`: when to look for what webhooks did not bring, as cron expressions, and when to stop and ask.

use std::str::FromStr as _;

use chrono::DateTime;
use chrono_tz::Tz;
use schemas::Resource;
use serde::{Deserialize, Deserializer};

/// When each resource is synced.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Where the clocks are by which the schedules are meant, for instance `Europe/Berlin`.
    #[serde(deserialize_with = "zone")]
    pub time_zone: Tz,
    /// Percent of a resource's records that a full run may find missing at Shopify before it stops and asks.
    pub missing_percent_max: u8,
    /// Seconds for which a bulk operation may make no headway at Shopify before another one is started.
    pub bulk_stuck_seconds: u32,
    /// Customers: their ids and times.
    pub customers: Schedules,
    /// Locations and levels.
    pub inventory: Schedules,
    /// Orders with their lines.
    pub orders: Schedules,
    /// Products with variants and items.
    pub products: Schedules,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            time_zone: Tz::UTC,
            missing_percent_max: 10,
            bulk_stuck_seconds: 30 * 60,
            customers: Schedules::at("0 4/5 * * * *", "0 45 3 * * *"),
            inventory: Schedules::at("0 1/5 * * * *", "0 15 3 * * *"),
            orders: Schedules::at("0 2/5 * * * *", "0 30 3 * * *"),
            products: Schedules::default(),
        }
    }
}

impl Sync {
    /// Each resource and when it is synced.
    pub fn resources(&self) -> [(Resource, &Schedules); 4] {
        [
            (Resource::Products, &self.products),
            (Resource::Inventory, &self.inventory),
            (Resource::Orders, &self.orders),
            (Resource::Customers, &self.customers),
        ]
    }
}

/// When one resource is synced: six fields, seconds first, for instance `0 */5 * * * *`; or `never`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedules {
    /// What changed since the last run.
    #[serde(deserialize_with = "cron")]
    pub quick: Option<cron::Schedule>,
    /// Everything.
    #[serde(deserialize_with = "cron")]
    pub full: Option<cron::Schedule>,
}

fn cron<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<cron::Schedule>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "never" {
        return Ok(None);
    }
    let refuse = |why: &str| {
        let remedy = "write six fields, seconds first, such as \"0 */5 * * * *\", or \"never\"";
        serde::de::Error::custom(format!("{text:?} {why}: {remedy}"))
    };
    let schedule = cron::Schedule::from_str(&text).map_err(|_| refuse("is no cron expression"))?;
    // Such as the thirtieth of February.
    if schedule.after(&DateTime::UNIX_EPOCH).next().is_none() {
        return Err(refuse("is a time that never comes"));
    }
    Ok(Some(schedule))
}

pub(super) fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "{text:?} is no time zone: write one such as \"Europe/Berlin\""
        ))
    })
}

impl Schedules {
    fn at(quick: &str, full: &str) -> Self {
        // Constants, and the test below reads them.
        let schedule = |text| Some(cron::Schedule::from_str(text).expect("a cron expression"));
        Self {
            quick: schedule(quick),
            full: schedule(full),
        }
    }
}

impl Default for Schedules {
    fn default() -> Self {
        Self::at("0 */5 * * * *", "0 0 3 * * *")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_schedules_are_cron_expressions() {
        assert_eq!(
            super::Sync::default().products.quick.unwrap().source(),
            "0 */5 * * * *"
        );
    }
}

//! `stockd levels`: stock by item and location, with the ids that commands take.

use clap::Args;
use serde_json::{Value, json};

use super::api_client::{ApiClient, ShopArgs};
use super::terminal::{Colour, Terminal};
use super::{say, tell};
use crate::config::Environment;
use crate::limits::PAGE_RECORDS_MAX;

/// Lists stock by item and location, with the ids and SKUs that commands take.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stockd levels --low
  stockd levels --sku KETTLE-00001-1")]
pub(super) struct Levels {
    /// Show only stock at or below its threshold.
    #[arg(long)]
    low: bool,
    /// Show only items with this SKU; can be repeated.
    #[arg(long, value_name = "SKU")]
    sku: Vec<String>,
    #[command(flatten)]
    connection: ShopArgs,
}

impl Levels {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let Self {
            low,
            sku,
            connection,
        } = self;
        let rest = connection.open(environment, "stockd-levels")?;
        let mut levels = Vec::new();
        if sku.is_empty() {
            levels = all(&rest, None).await?;
        }
        for sku in &sku {
            levels.extend(all(&rest, Some(sku)).await?);
        }
        if low {
            levels.retain(is_low);
        }
        if json {
            return say(json!({ "data": levels }));
        }
        let terminal = Terminal::of_process(environment);
        if levels.is_empty() {
            return tell(match (low, sku.is_empty()) {
                (true, _) => "nothing of that is low",
                (false, true) => "there is no stock yet, or none that you may see",
                (false, false) => "no item has this SKU, or none that you may see",
            });
        }
        let heading = format!(
            "{:<16} {:>9} {:<14} {:<14} {:<14} {}",
            "SKU", "AVAILABLE", "LOCATION", "ITEM ID", "LOCATION ID", "TITLE"
        );
        say(terminal.line(&heading, Colour::Dim))?;
        levels.iter().try_for_each(|level| {
            let (line, colour) = line(level);
            say(terminal.line(&line, colour))
        })
    }
}

/// Every level, or those of a SKU, page by page.
async fn all(rest: &ApiClient, sku: Option<&String>) -> anyhow::Result<Vec<Value>> {
    let limit = PAGE_RECORDS_MAX.to_string();
    let (mut levels, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", limit.as_str())];
        query.extend(sku.map(|sku| ("sku", sku.as_str())));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let mut page = rest.get("levels", &query).await?;
        if let Some(data) = page["data"].as_array_mut() {
            levels.append(data);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(levels),
        }
    }
}

/// Untracked and inactive levels are never low.
fn is_low(level: &Value) -> bool {
    level["tracked"] == true && level["active"] == true && level["status"] != "in_stock"
}

fn line(level: &Value) -> (String, Colour) {
    let text = |key: &str| level[key].as_str().unwrap_or("–");
    let (word, colour) = match text("status") {
        _ if !is_low(level) => ("", Colour::Plain),
        "out_of_stock" => ("out ", Colour::Red),
        _ => ("low ", Colour::Yellow),
    };
    let available = format!("{word}{}", level["available"]);
    let line = format!(
        "{:<16} {available:>9} {:<14} {:<14} {:<14} {}",
        text("sku"),
        text("locationName"),
        text("inventoryItemId"),
        text("locationId"),
        text("title")
    );
    (line, colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_stock_is_told_by_a_word_and_only_where_it_counts() {
        let level = |status: &str, available: i64, tracked: bool| {
            json!({ "sku": "A-1", "title": "Scarf", "locationId": "7", "inventoryItemId": "5", "locationName": "Berlin",
                    "status": status, "available": available, "tracked": tracked, "active": true })
        };
        let (text, colour) = line(&level("low_stock", 3, true));
        assert!(
            text.contains("    low 3 Berlin         5 ") && colour == Colour::Yellow,
            "{text}"
        );
        let (text, colour) = line(&level("out_of_stock", 0, true));
        assert!(text.contains("out 0") && colour == Colour::Red, "{text}");
        assert!(!is_low(&level("out_of_stock", 0, false)) && !is_low(&level("in_stock", 30, true)));
    }
}

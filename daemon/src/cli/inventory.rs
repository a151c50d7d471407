//! `stockd inventory`: commands to the running daemon, checked and carried out there.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use schemas::Timestamp;
use schemas::command::CommandKind;
use serde::Serialize;
use serde_json::{Value, json};

use super::api_client::{ApiClient, ShopArgs};
use super::lifetime::Lifetime;
use super::terminal::Terminal;
use super::{lookup, say, tell};
use crate::config::Environment;

/// Changes or reserves stock through the running daemon.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: stockd inventory reserve --item KETTLE-00001-1 --location 7000001032772 --quantity 2 --reason 'phone order'"
)]
pub(super) struct Inventory {
    #[command(subcommand)]
    order: InventoryOrder,
    #[command(flatten)]
    connection: ShopArgs,
}

#[derive(Debug, Subcommand)]
enum InventoryOrder {
    /// Change the available quantity by a difference.
    #[command(
        after_help = "Example: stockd inventory adjust --item KETTLE-00001-1 --location 7000001032772 --delta -2 --reason broken"
    )]
    Adjust(Adjust),
    /// Turn a reservation into a sale.
    #[command(after_help = "Example: stockd inventory commit --reservation till-3 --sale outside")]
    Commit(Commit),
    /// Extend a reservation.
    #[command(after_help = "Example: stockd inventory extend --reservation till-3 --ttl 1h")]
    Extend(Extend),
    /// Release a reservation.
    #[command(after_help = "Example: stockd inventory release --reservation till-3")]
    Release(Release),
    /// Reserve stock for a while.
    #[command(
        after_help = "Example: stockd inventory reserve --item KETTLE-00001-1 --location 7000001032772 --quantity 1 --reference till-3 --reason 'phone order'"
    )]
    Reserve(Reserve),
    /// Set a quantity of a level.
    #[command(
        after_help = "Example: stockd inventory update --item KETTLE-00001-1 --location 7000001032772 --quantity 12 --name on_hand --reason counted"
    )]
    Update(Update),
}

/// Which level.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct LevelArguments {
    /// Inventory item: its id (a number or a GID), or its SKU if only one item has it.
    #[arg(long, value_name = "ID|SKU", value_parser = NonEmptyStringValueParser::new())]
    #[serde(rename = "inventoryItemId")]
    item: String,
    /// Id of the location; can be left out if there is only one.
    #[arg(long, value_name = "ID")]
    #[serde(rename = "locationId")]
    location: Option<String>,
}

/// Why, and how often.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct CauseArguments {
    /// Reason, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Idempotency key: the same command with the same key is carried out once.
    #[arg(long, value_name = "KEY")]
    #[serde(rename = "idempotencyKey")]
    key: Option<String>,
}

#[derive(Debug, Args, Serialize)]
struct Adjust {
    #[command(flatten)]
    #[serde(flatten)]
    place: LevelArguments,
    /// Difference, positive or negative.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    delta: i64,
    #[command(flatten)]
    #[serde(flatten)]
    cause: CauseArguments,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    /// Reservation: its id, or its reference if only one open reservation has it.
    #[arg(long, value_name = "ID|REFERENCE")]
    #[serde(rename = "reservationId")]
    reservation: String,
    /// How the sale was made: outside (the shop floor, an ERP), or order (by an order at Shopify).
    #[arg(long, value_name = "DOOR")]
    sale: String,
    /// Id of the order, if there is one.
    #[arg(long, value_name = "ID")]
    #[serde(rename = "orderId")]
    order: Option<String>,
}

#[derive(Debug, Args, Serialize)]
struct Extend {
    /// Reservation: its id, or its reference if only one open reservation has it.
    #[arg(long, value_name = "ID|REFERENCE")]
    #[serde(rename = "reservationId")]
    reservation: String,
    /// New duration from now, such as 30m, 8h or 7d; by default 15 minutes.
    #[arg(long, value_name = "TIME")]
    #[serde(rename = "ttlSeconds")]
    ttl: Option<Lifetime>,
}

#[derive(Debug, Args, Serialize)]
struct Release {
    /// Reservation: its id, or its reference if only one open reservation has it.
    #[arg(long, value_name = "ID|REFERENCE")]
    #[serde(rename = "reservationId")]
    reservation: String,
}

#[derive(Debug, Args, Serialize)]
struct Reserve {
    #[command(flatten)]
    #[serde(flatten)]
    place: LevelArguments,
    /// Number of units to reserve.
    #[arg(long, value_name = "N")]
    quantity: i64,
    /// Duration, such as 30m, 8h or 7d; by default 15 minutes.
    #[arg(long, value_name = "TIME")]
    #[serde(rename = "ttlSeconds")]
    ttl: Option<Lifetime>,
    /// Your own reference; you can name the reservation by it later.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    cause: CauseArguments,
}

#[derive(Debug, Args, Serialize)]
struct Update {
    #[command(flatten)]
    #[serde(flatten)]
    place: LevelArguments,
    /// Quantity to set the level to.
    #[arg(long, value_name = "N")]
    quantity: i64,
    /// Quantity to set: available (the default), or on_hand for a shelf count.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Refuse if the quantity is not this value now.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    expected: Option<i64>,
    #[command(flatten)]
    #[serde(flatten)]
    cause: CauseArguments,
}

impl Inventory {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let rest = self.connection.open(environment, "stockd-inventory")?;
        let mut order = self.order;
        order.look_up(&rest).await?;
        let (kind, payload) = order.payload()?;
        let path = format!("inventory/{}", kind.as_str());
        let answer = rest.post(&path, Some(&payload)).await?;
        if json {
            say(answer)
        } else {
            tell(sentence(&Terminal::of_process(environment), &answer))
        }
    }
}

impl InventoryOrder {
    /// Puts ids in the place of SKUs and references.
    async fn look_up(&mut self, rest: &ApiClient) -> anyhow::Result<()> {
        match self {
            Self::Adjust(Adjust { place, .. })
            | Self::Reserve(Reserve { place, .. })
            | Self::Update(Update { place, .. }) => {
                place.item = lookup::item(rest, &place.item).await?;
            }
            Self::Commit(Commit { reservation, .. })
            | Self::Extend(Extend { reservation, .. })
            | Self::Release(Release { reservation }) => {
                *reservation = lookup::reservation(rest, reservation).await?;
            }
        }
        Ok(())
    }

    fn payload(&self) -> serde_json::Result<(CommandKind, Value)> {
        Ok(match self {
            Self::Adjust(adjust) => (CommandKind::Adjust, serde_json::to_value(adjust)?),
            Self::Commit(commit) => (CommandKind::Commit, serde_json::to_value(commit)?),
            Self::Extend(extend) => (CommandKind::Extend, serde_json::to_value(extend)?),
            Self::Release(release) => (CommandKind::Release, serde_json::to_value(release)?),
            Self::Reserve(reserve) => (CommandKind::Reserve, serde_json::to_value(reserve)?),
            Self::Update(update) => (CommandKind::Update, serde_json::to_value(update)?),
        })
    }
}

/// An answer in one line for people.
fn sentence(terminal: &Terminal, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let state = text(&answer["state"]);
    if let Some(level) = answer.get("level") {
        let place = level["locationName"]
            .as_str()
            .map_or_else(|| text(&level["locationId"]), str::to_owned);
        let what = level["sku"]
            .as_str()
            .map_or_else(|| text(&level["inventoryItemId"]), str::to_owned);
        let id = text(&answer["commandId"]);
        return format!(
            "{state}: {what} @ {place} has {} available (command {id})",
            level["available"]
        );
    }
    let reservation = answer.get("reservation").unwrap_or(answer);
    let (id, state) = (
        text(&reservation["reservationId"]),
        text(&reservation["state"]),
    );
    if [json!("pending"), json!("held")].contains(&reservation["state"]) {
        let until = reservation["expiresAt"]
            .as_str()
            .and_then(|time| time.parse::<Timestamp>().ok());
        let until = until
            .map(|until| format!(" until {}", terminal.date(until)))
            .unwrap_or_default();
        return format!("{state}: reservation {id}{until}");
    }
    format!("{state}: reservation {id}")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use schemas::Command;
    use schemas::command::{Sale, SettableName};

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        inventory: Inventory,
    }

    /// The command that a line of words becomes in the daemon.
    fn read(words: &str) -> Command {
        let line = std::iter::once("stockd").chain(words.split(' '));
        let (kind, payload) = Line::try_parse_from(line)
            .unwrap()
            .inventory
            .order
            .payload()
            .unwrap();
        Command::read(kind, &payload).unwrap()
    }

    #[test]
    fn a_line_becomes_the_command_it_says() {
        let (item, location) = (5_u64.try_into().unwrap(), 7_u64.try_into().ok());
        let update = "update --item gid://shopify/InventoryItem/5 --location 7 --quantity 12 --name on_hand \
                      --expected -1 --reason counted --key k --url http://127.0.0.1:1";
        assert_eq!(
            read(update),
            Command::Update {
                inventory_item_id: item,
                location_id: location,
                quantity: 12,
                name: Some(SettableName::OnHand),
                reason: "counted".to_owned(),
                expected: Some(-1),
                idempotency_key: Some("k".to_owned()),
            }
        );
        assert_eq!(
            read("adjust --item 5 --delta -3 --reason broken"),
            Command::Adjust {
                inventory_item_id: item,
                location_id: None,
                delta: -3,
                reason: "broken".to_owned(),
                idempotency_key: None,
            }
        );
        let reserve = "reserve --item 5 --quantity 2 --ttl 7d --reference order-1 --reason held";
        let Command::Reserve {
            items,
            ttl_seconds,
            reference,
            ..
        } = read(reserve)
        else {
            panic!("{reserve}")
        };
        assert_eq!(
            (items[0].quantity, ttl_seconds, reference.as_deref()),
            (2, Some(604_800), Some("order-1"))
        );
        let reservation_id = "r".to_owned();
        assert_eq!(
            read("commit --reservation r --sale order --order 9"),
            Command::Commit {
                reservation_id: reservation_id.clone(),
                sale: Sale::Order,
                order_id: 9_u64.try_into().ok()
            }
        );
        assert_eq!(
            read("extend --reservation r --ttl 60"),
            Command::Extend {
                reservation_id: reservation_id.clone(),
                ttl_seconds: Some(60)
            }
        );
        assert_eq!(
            read("release --reservation r"),
            Command::Release { reservation_id }
        );
    }
}

//! Histories made of everything that can happen to a small shop, from seeds. The tests of `store` have this file too.

use domain::adjustment::StockCall;
use domain::operation::Batch;
use domain::{
    Arrival, By, Cause, Delivery, Fate, Given, LevelKey, LevelRefusal, MessageOutcome, Operation,
    OutboxMessage, Policy, Post, PostKey, Progress, Revocation, Revoked, RunRecord, Thresholds,
};
use jiff::SignedDuration;
use schemas::command::{ReserveItem, Sale, SettableName};
use schemas::event::Transfer;
use schemas::record::{
    Customer, InventoryItem, Level, Location, Order, OrderLine, Product, Variant,
};
use schemas::shape::OrderStatus;
use schemas::{
    Change, Command, ErrorBody, ErrorCode, EventData, InventoryItemId, LocationId, Logged,
    Quantities, RecordKey, Resource, Role, RunKind, RunState, ShopDomain, SyncRun, Timestamp,
};

use super::disk::Disk;

/// Operations of one history: long enough that everything meets, short enough that a failure is read.
pub(super) const LENGTH: usize = 400;

/// Numbers from a seed (xorshift).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    pub(super) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn of<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        let length = list.len().max(1) as u64;
        list.get(usize::try_from(self.below(length)).unwrap())
    }
}

pub(super) fn shop() -> ShopDomain {
    "a.myshopify.com".parse().unwrap()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(second.cast_signed()).unwrap()
}

/// What happens next, and when.
pub(super) struct History {
    pub(super) dice: Dice,
    second: u64,
    made: u64,
    /// Calls that were netted and are not sent.
    pub(super) calls: Vec<StockCall>,
}

impl History {
    pub(super) fn of(seed: u64) -> Self {
        Self {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            second: 1_000_000,
            made: 0,
            calls: Vec::new(),
        }
    }

    fn level(&mut self) -> LevelKey {
        (self.item(), self.location())
    }

    fn item(&mut self) -> InventoryItemId {
        (1 + self.dice.below(4)).try_into().unwrap()
    }

    fn location(&mut self) -> LocationId {
        (1 + self.dice.below(2)).try_into().unwrap()
    }

    /// A time that Shopify may say: sometimes long ago, sometimes of this very second.
    fn said_at(&mut self) -> Timestamp {
        at(self.second - self.dice.below(6))
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{}", self.made)
    }

    fn quantities(&mut self) -> Quantities {
        let (available, reserved) = (self.dice.below(12), self.dice.below(4));
        Quantities {
            available: available.cast_signed(),
            reserved: reserved.cast_signed(),
            on_hand: (available + reserved).cast_signed(),
            ..Quantities::default()
        }
    }

    fn observed(&mut self, (inventory_item_id, location_id): LevelKey) -> Level {
        Level {
            inventory_item_id,
            location_id,
            gid: None,
            active: !self.dice.one_in(12),
            quantities: self.quantities(),
            updated_at: self.said_at(),
        }
    }

    fn record(&mut self) -> RecordKey {
        let id = 1 + self.dice.below(3);
        match self.dice.below(6) {
            0 => RecordKey::Customer(id.try_into().unwrap()),
            1 => RecordKey::Item(self.item()),
            2 => RecordKey::Location(self.location()),
            3 => RecordKey::Order(id.try_into().unwrap()),
            4 => RecordKey::Product(id.try_into().unwrap()),
            _ => {
                let (item, location) = self.level();
                RecordKey::Level(item, location)
            }
        }
    }

    fn change(&mut self) -> Change {
        let id = 1 + self.dice.below(3);
        let updated_at = self.said_at();
        match self.dice.below(20) {
            0..6 => {
                let (inventory_item_id, location_id) = self.level();
                Change::LevelAvailable {
                    inventory_item_id,
                    location_id,
                    gid: None,
                    available: Some(self.dice.below(15).cast_signed()),
                    updated_at,
                }
            }
            6..9 => {
                let level = self.level();
                Change::Level(self.observed(level))
            }
            9 | 10 => Change::Order(self.order(id, updated_at)),
            11 | 12 => Change::Variant(self.variant(id, updated_at)),
            13 => Change::Product {
                product: self.product(id, updated_at),
                variants: (!self.dice.one_in(3)).then(|| {
                    let kept = (1..=3).filter(|_| !self.dice.one_in(3));
                    kept.map(|id: u64| id.try_into().unwrap()).collect()
                }),
            },
            14 => Change::Item(InventoryItem {
                id: self.item(),
                sku: Some(self.dice.below(2).to_string()),
                tracked: !self.dice.one_in(6),
                updated_at,
            }),
            15 => Change::Location(Location {
                id: self.location(),
                name: "here".to_owned(),
                active: !self.dice.one_in(4),
                fulfillment_service: false,
                updated_at,
            }),
            16 => Change::Customer(Customer {
                id: id.try_into().unwrap(),
                name: self.dice.one_in(2).then(|| "Ann".to_owned()),
                created_at: at(1_000),
                updated_at,
            }),
            17 => Change::Transfer(Transfer {
                transfer_id: id.try_into().unwrap(),
                status: Some("transferred".to_owned()),
                origin_id: Some(self.location()),
                destination_id: None,
                quantity: None,
                happened_at: updated_at,
            }),
            18 if self.dice.one_in(4) => Change::Redacted(id.try_into().unwrap()),
            _ => Change::LookAgain(self.record()),
        }
    }

    fn order(&mut self, id: u64, updated_at: Timestamp) -> Order {
        let line = |id: u64| OrderLine {
            id: id.try_into().unwrap(),
            variant_id: Some(id.try_into().unwrap()),
            title: "scarf".to_owned(),
            sku: None,
            quantity: 1,
        };
        Order {
            id: id.try_into().unwrap(),
            name: format!("#{id}"),
            customer_id: self.dice.one_in(2).then(|| id.try_into().unwrap()),
            status: if self.dice.one_in(2) {
                OrderStatus::Created
            } else {
                OrderStatus::Cancelled
            },
            financial_status: Some("paid".to_owned()),
            fulfillment_status: None,
            total: "10.00".parse().unwrap(),
            currency: "EUR".to_owned(),
            channel: None,
            locations: vec![self.location()],
            lines: (1..=1 + self.dice.below(3)).map(line).collect(),
            payments: self.dice.one_in(2).then(Vec::new),
            created_at: at(self.second - 5),
            updated_at,
        }
    }

    fn variant(&mut self, id: u64, updated_at: Timestamp) -> Variant {
        Variant {
            id: id.try_into().unwrap(),
            product_id: (1 + self.dice.below(2)).try_into().unwrap(),
            title: "Red".to_owned(),
            sku: Some(self.dice.below(2).to_string()),
            barcode: None,
            price: "1.00".parse().unwrap(),
            continue_selling: self.dice.one_in(3),
            bundle: None,
            inventory_item_id: Some(self.item()),
            updated_at,
        }
    }

    fn product(&mut self, id: u64, updated_at: Timestamp) -> Product {
        let status = if self.dice.one_in(4) {
            "draft"
        } else {
            "active"
        };
        Product {
            id: id.try_into().unwrap(),
            title: "Scarf".to_owned(),
            handle: "scarf".to_owned(),
            vendor: "Acme".to_owned(),
            product_type: String::new(),
            status: status.to_owned(),
            updated_at,
        }
    }

    fn command(&mut self, disk: &Disk) -> Command {
        let (inventory_item_id, location_id) = self.level();
        let idempotency_key = self
            .dice
            .one_in(4)
            .then(|| format!("k{}", self.dice.below(6)));
        let location_id = Some(location_id).filter(|_| !self.dice.one_in(5));
        let reason = "because".to_owned();
        let reservations: Vec<_> = disk.reservations.rows.keys().cloned().collect();
        let reservation_id = self.dice.of(&reservations).cloned().unwrap_or_default();
        match self.dice.below(9) {
            0 => Command::Adjust {
                inventory_item_id,
                location_id,
                delta: self.dice.below(7).cast_signed() - 3,
                reason,
                idempotency_key,
            },
            1 => Command::Update {
                inventory_item_id,
                location_id,
                quantity: self.dice.below(9).cast_signed(),
                name: self.dice.one_in(2).then_some(SettableName::OnHand),
                reason,
                expected: None,
                idempotency_key,
            },
            2..6 => {
                let item = |history: &mut Self| ReserveItem {
                    inventory_item_id: history.item(),
                    location_id: Some(history.location()),
                    quantity: 1 + history.dice.below(3).cast_signed(),
                };
                Command::Reserve {
                    items: (0..=self.dice.below(2)).map(|_| item(self)).collect(),
                    reason,
                    ttl_seconds: Some(1 + u32::try_from(self.dice.below(40)).unwrap()),
                    reference: None,
                    idempotency_key,
                }
            }
            6 => Command::Release { reservation_id },
            7 => Command::Commit {
                reservation_id,
                sale: if self.dice.one_in(2) {
                    Sale::Order
                } else {
                    Sale::Outside
                },
                order_id: None,
            },
            _ => Command::Extend {
                reservation_id,
                ttl_seconds: Some(20),
            },
        }
    }

    fn given(&mut self, disk: &Disk) -> Operation {
        Operation::Command(Box::new(Given {
            shop: shop(),
            at: at(self.second),
            id: self.id("c"),
            by: By {
                user: "ann".parse().unwrap(),
                role: Role::Staff,
                locations: None,
            },
            command: self.command(disk),
            policy: Policy {
                allow_backorder: self.dice.one_in(5),
                default_location: None,
                unsent_max: SignedDuration::from_mins(10),
            },
        }))
    }

    /// A delivery, and its changes.
    fn webhook(&mut self, made: &mut Vec<Operation>) {
        let id: schemas::WebhookId = format!("w{}", self.dice.below(200)).parse().unwrap();
        let delivery = Delivery {
            shop: shop(),
            webhook_id: id.clone(),
            signature: vec![u8::from(self.dice.one_in(9))],
            topic: "a/b".to_owned(),
            triggered_at: None,
            received_at: at(self.second),
            body: Vec::new(),
        };
        let (fate, shared_secret) = (Fate::Applied, self.dice.one_in(8));
        let changes = (0..=self.dice.below(2)).map(|_| self.change()).collect();
        if !self.dice.one_in(3) {
            made.push(Operation::Deliver(Box::new(Arrival {
                delivery,
                fate,
                shared_secret,
                changes,
            })));
            return;
        }
        made.push(Operation::Accept(delivery));
        let cause = Cause::Webhook {
            id,
            fate,
            shared_secret,
        };
        made.push(self.apply(cause, changes));
    }

    fn apply(&self, cause: Cause, changes: Vec<Change>) -> Operation {
        Operation::Apply(Batch {
            shop: shop(),
            at: at(self.second),
            cause,
            changes,
        })
    }

    /// Readings of some of the records that are dirty.
    fn reading(&mut self, disk: &Disk) -> Operation {
        let marks = disk.dirty_marks.rows.values();
        let marks: Vec<_> = marks.filter(|_| !self.dice.one_in(3)).take(4).collect();
        let keys = marks.iter().map(|mark| (mark.key, mark.mark)).collect();
        let changes = marks.iter().map(|mark| self.read(mark.key)).collect();
        self.apply(Cause::Read(keys), changes)
    }

    fn read(&mut self, key: RecordKey) -> Change {
        let updated_at = self.said_at();
        match key {
            key if self.dice.one_in(8) => Change::Gone(key),
            RecordKey::Level(item, location) => Change::Level(self.observed((item, location))),
            RecordKey::Order(id) => {
                Change::Order(self.order(id.to_i64().cast_unsigned(), updated_at))
            }
            RecordKey::Product(id) => Change::Product {
                product: self.product(id.to_i64().cast_unsigned(), updated_at),
                variants: Some(vec![id.to_i64().cast_unsigned().try_into().unwrap()]),
            },
            key => Change::Gone(key),
        }
    }

    /// What was netted and is still to be sent, or else that more is to be netted.
    fn send(&mut self) -> Operation {
        let at = at(self.second);
        let Some(call) = self.calls.pop() else {
            return Operation::Net {
                shop: shop(),
                below_zero: self.dice.one_in(8),
                after: None,
                at,
            };
        };
        let levels = call.entries.iter().map(|one| (one.item, one.location));
        let message = OutboxMessage {
            id: self.id("m"),
            kind: call.kind,
            body: String::new(),
            begun: at,
            levels: levels.collect(),
        };
        let adjustments = call.entries.into_iter().flat_map(|one| one.adjustments);
        Operation::StartMessage {
            shop: shop(),
            message: Box::new(message),
            adjustments: adjustments.collect(),
        }
    }

    fn answer(&mut self, disk: &Disk) -> Option<Operation> {
        let messages: Vec<_> = disk.messages.rows.keys().cloned().collect();
        let id = self.dice.of(&messages)?.clone();
        let flights = disk.flights.rows.values().filter(|one| one.message == id);
        let levels: Vec<LevelKey> = flights.map(|flight| flight.level).collect();
        let error = ErrorBody::new(ErrorCode::Unavailable, "no");
        let refusals = |dice: &mut Dice| -> Vec<(LevelKey, LevelRefusal)> {
            let some = levels.iter().filter(|_| dice.one_in(2)).collect::<Vec<_>>();
            let refused = some.into_iter().map(|level| {
                let refusal = match dice.below(4) {
                    0 => LevelRefusal::Again,
                    1 => LevelRefusal::Never(error.clone()),
                    2 => LevelRefusal::Stale,
                    _ => LevelRefusal::Unknown(error.clone()),
                };
                (*level, refusal)
            });
            refused.collect()
        };
        let end = match self.dice.below(8) {
            0 => MessageOutcome::Refused(refusals(&mut self.dice)),
            1 => MessageOutcome::Partly(refusals(&mut self.dice)),
            2 => MessageOutcome::Unknown(error.clone()),
            3 => MessageOutcome::Compared {
                readings: levels.iter().map(|level| self.observed(*level)).collect(),
                whole: self.dice.one_in(2),
            },
            _ => MessageOutcome::Done,
        };
        Some(Operation::SettleMessage {
            shop: shop(),
            id,
            end,
            at: at(self.second),
        })
    }

    fn run(&mut self, disk: &Disk) -> Operation {
        let mut under_way = disk
            .runs
            .rows
            .values()
            .filter(|one| !one.run.state.is_over());
        let Some(record) = under_way.next() else {
            return Operation::StartRun(self.new_run());
        };
        let run = record.run.run_id.clone();
        if self.dice.one_in(3) {
            return Operation::FinishRun {
                shop: shop(),
                run,
                state: RunState::Completed,
                error: None,
                at: at(self.second),
            };
        }
        let progress = Progress {
            processed: self.second,
            total: None,
            bulk_objects: None,
            resume: String::new(),
            until: Some(at(self.second - 1)),
        };
        let changes = (0..4).map(|_| self.change());
        let said = changes.filter(|change| !matches!(change, Change::Redacted(_)));
        let said = said.collect();
        self.apply(Cause::Run { run, progress }, said)
    }

    fn new_run(&mut self) -> RunRecord {
        let resources = [Resource::Inventory, Resource::Orders, Resource::Products];
        RunRecord {
            shop: shop(),
            run: SyncRun {
                run_id: self.id("r").parse().unwrap(),
                resource: *self.dice.of(&resources).unwrap(),
                kind: RunKind::Full,
                dry_run: self.dice.one_in(4),
                state: RunState::Running,
                processed: 0,
                total: None,
                bulk_objects: None,
                changed: 0,
                deleted: 0,
                drift: 0,
                error: None,
                started_at: at(self.second),
                finished_at: None,
            },
            first: self.dice.one_in(4),
            since: None,
            until: Some(at(self.second)),
            resume: String::new(),
        }
    }

    fn post(&mut self) -> Operation {
        Operation::Post(Box::new(Post {
            shop: shop(),
            event: Logged::SystemAlert(EventData::Own(schemas::event::Notice {
                user_id: None,
                title: "said".to_owned(),
                message: String::new(),
            })),
            key: Some(PostKey([u8::try_from(self.dice.below(5)).unwrap(); 32])),
            may_repeat: self.dice.one_in(2),
            at: at(self.second),
        }))
    }

    /// What happens next, seeing what is there.
    pub(super) fn next(&mut self, disk: &Disk) -> Vec<Operation> {
        self.second += self.dice.below(3);
        let mut made = Vec::new();
        match self.dice.below(40) {
            0..12 => self.webhook(&mut made),
            12..20 => made.push(self.given(disk)),
            20..24 => made.push(self.reading(disk)),
            24..29 => made.push(self.send()),
            29..33 => made.extend(self.answer(disk)),
            33 | 34 => made.push(self.run(disk)),
            35 => made.push(self.post()),
            36 => made.push(Operation::ExpireReservations {
                shop: shop(),
                at: at(self.second),
            }),
            37 => made.push(self.register()),
            38 if self.dice.one_in(2) => made.push(Operation::GoOn {
                shop: shop(),
                at: at(self.second),
            }),
            38 => made.push(Operation::Revoke(Revocation {
                of: Revoked::User("ann".parse().unwrap()),
                at: at(self.second),
                until: at(self.second + self.dice.below(9)),
            })),
            // Somebody names a shop that is not there: it fails and leaves nothing behind.
            _ if self.dice.one_in(4) => made.push(Operation::Park {
                shop: shop(),
                at: at(self.second),
            }),
            _ => made.push(Operation::ExpireReservations {
                shop: "nobody.myshopify.com".parse().unwrap(),
                at: at(self.second),
            }),
        }
        made
    }

    pub(super) fn register(&mut self) -> Operation {
        let thresholds = Thresholds {
            default: self.dice.below(3).cast_signed() + 3,
            ..Thresholds::default()
        };
        Operation::Register {
            shop: shop(),
            thresholds,
            at: at(self.second),
        }
    }
}

//! Who fills the shop and who buys from it, from a seed: the same seed gives the same store and the same purchases.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::record::AVAILABLE;
use crate::sale::PurchaseLine;
use crate::store::{Draft, SimStore};

const NOUNS: [&str; 8] = [
    "Shirt", "Mug", "Lamp", "Scarf", "Chair", "Kettle", "Bag", "Candle",
];
const ADJECTIVES: [&str; 10] = [
    "Plain", "Blue", "Quiet", "Woollen", "Round", "Tall", "Amber", "Light", "Sturdy", "Northern",
];
const VENDORS: [&str; 4] = ["Acorn & Co", "Hillside", "Ferry Works", "Mola"];
const SIZES: [&str; 7] = [
    "Small", "Medium", "Large", "X-Large", "Tiny", "Wide", "Long",
];
const CITIES: [&str; 8] = [
    "Kingston",
    "Portmore",
    "Negril",
    "Mandeville",
    "Ocho Rios",
    "Montego Bay",
    "May Pen",
    "Lucea",
];
const FIRST_NAMES: [&str; 8] = ["Ada", "Ben", "Chi", "Dora", "Emil", "Fay", "Gus", "Hana"];
const LAST_NAMES: [&str; 8] = [
    "Reed", "Stone", "Marsh", "Vale", "Frost", "Penn", "Holt", "Lane",
];

/// How far the number of a product's variants may lie from the average.
const MAX_SPREAD: u32 = 5;
/// Purchases that lie behind the shop when it opens, one a minute.
const PAST_PURCHASES: i64 = 50;

/// Those who act in the shop by chance.
pub(crate) struct Shoppers {
    chance: StdRng,
    /// The items there are to buy, looked up again when their number changes.
    shelf: Vec<u64>,
    customers: Vec<u64>,
    unpaid: VecDeque<u64>,
    unshipped: VecDeque<u64>,
    shipped: VecDeque<u64>,
}

impl Shoppers {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: StdRng::seed_from_u64(seed),
            shelf: Vec::new(),
            customers: Vec::new(),
            unpaid: VecDeque::new(),
            unshipped: VecDeque::new(),
            shipped: VecDeque::new(),
        }
    }

    /// Fills an empty shop: locations, products with `per_product` variants on average, and stock everywhere.
    pub(crate) fn stock(
        &mut self,
        store: &mut SimStore,
        products: u32,
        per_product: u32,
        locations: u32,
        now: Timestamp,
    ) {
        let opened = now
            .saturating_sub(SignedDuration::from_hours(24 * 30))
            .unwrap_or(now);
        let mut places = Vec::new();
        for place in 0..locations {
            let city = CITIES[place as usize % CITIES.len()].to_owned();
            places.push(store.add_location(format!("{city} {}", place + 1), city, false, opened));
        }
        let mut extra = 0;
        for number in 1..=products {
            // Sizes come in pairs that cancel, so that the total is exact.
            let count = if number % 2 == 0 {
                per_product + extra
            } else {
                let spread = if number == products {
                    0
                } else {
                    per_product.min(MAX_SPREAD)
                };
                extra = self.chance.random_range(0..spread.max(1));
                per_product - extra
            };
            let minutes = self.chance.random_range(0..29 * 24 * 60);
            let at = opened
                .saturating_add(SignedDuration::from_mins(minutes))
                .unwrap_or(opened);
            // Nobody is told of what lies in the past.
            store.take_notices();
            let draft = self.draft(number, count);
            let product = store.add_product(draft, at);
            let variants = store
                .products
                .find(product)
                .map(|product| product.variants.clone())
                .unwrap_or_default();
            for variant in variants {
                let Some(item) = store.variants.find(variant).map(|variant| variant.item) else {
                    continue;
                };
                for place in &places {
                    // The item and the location were made above, so this is not refused.
                    let _ = store.connect(item, *place, self.chance.random_range(5..120), at);
                }
            }
        }
        for minute in (1..=PAST_PURCHASES).rev() {
            self.act(
                store,
                now.saturating_sub(SignedDuration::from_mins(minute))
                    .unwrap_or(now),
            );
        }
        store.take_notices();
    }

    /// One purchase, and by chance what follows on earlier ones.
    pub(crate) fn act(&mut self, store: &mut SimStore, now: Timestamp) {
        self.buy(store, now);
        // Whatever is refused below was overtaken by someone else's action, which is life in a shop.
        if self.chance.random_bool(0.9)
            && let Some(order) = self.unpaid.pop_front()
            && store.pay(order, true, now).is_ok()
        {
            self.unshipped.push_back(order);
        }
        if self.chance.random_bool(0.05)
            && let Some(order) = self.unshipped.pop_back()
        {
            let _ = store.cancel(order, now);
        }
        if self.chance.random_bool(0.8)
            && let Some(order) = self.unshipped.pop_front()
            && store.fulfill(order, None, None, now).is_ok()
        {
            self.shipped.push_back(order);
        }
        if self.chance.random_bool(0.7)
            && let Some(order) = self.shipped.pop_front()
        {
            let _ = store.deliver(order, now);
        }
        if self.chance.random_bool(0.05)
            && let Some(item) = self.pick()
        {
            self.restock(store, item, now);
        }
        if self.chance.random_bool(0.02)
            && let Some(item) = self.pick()
        {
            self.reprice(store, item, now);
        }
    }

    fn buy(&mut self, store: &mut SimStore, now: Timestamp) {
        if self.shelf.len() != store.items.len() {
            self.shelf = store.items.iter().map(|item| item.id).collect();
        }
        let mut wanted: Vec<PurchaseLine> = Vec::new();
        for _ in 0..self.chance.random_range(1..=3) {
            let quantity = self.chance.random_range(1..=3);
            let Some(item) = self.pick() else { return };
            if wanted.iter().any(|want| want.item == item) {
                continue;
            }
            match self.place(store, item, quantity) {
                Some(location) => wanted.push(PurchaseLine {
                    item,
                    location,
                    quantity,
                }),
                None => self.restock(store, item, now),
            }
        }
        let returning = self.chance.random_bool(0.4) && !self.customers.is_empty();
        let customer =
            returning.then(|| self.customers[self.chance.random_range(0..self.customers.len())]);
        let name = (
            one_of(&mut self.chance, &FIRST_NAMES),
            one_of(&mut self.chance, &LAST_NAMES),
        );
        if !wanted.is_empty()
            && let Ok(order) = store.sell(customer, name, &wanted, now)
        {
            self.unpaid.push_back(order);
            if let Some(order) = store.orders.find(order)
                && customer != Some(order.customer)
            {
                self.customers.push(order.customer);
            }
        }
    }

    /// An item, a few of them far more often than the rest.
    fn pick(&mut self) -> Option<u64> {
        let last = self.shelf.len().checked_sub(1)?;
        let within = self.chance.random_range(0..=last);
        self.shelf
            .get(self.chance.random_range(0..=within))
            .copied()
    }

    /// A location that has enough, starting the search anywhere.
    fn place(&mut self, store: &SimStore, item: u64, quantity: i64) -> Option<u64> {
        let mut places: Vec<u64> = store
            .selling_levels_of(item)
            .filter(|level| level.quantities[AVAILABLE] >= quantity)
            .map(|level| level.location)
            .collect();
        (!places.is_empty()).then(|| places.swap_remove(self.chance.random_range(0..places.len())))
    }

    fn restock(&mut self, store: &mut SimStore, item: u64, now: Timestamp) {
        let places: Vec<u64> = store.levels_of(item).map(|level| level.location).collect();
        if !places.is_empty() {
            let place = places[self.chance.random_range(0..places.len())];
            let _ = store.adjust(
                item,
                place,
                "available",
                self.chance.random_range(10..60),
                now,
            );
        }
    }

    fn reprice(&mut self, store: &mut SimStore, item: u64, now: Timestamp) {
        let variant = store
            .items
            .find(item)
            .and_then(|item| store.variants.find(item.variant));
        if let Some(product) = variant.map(|variant| variant.product) {
            let _ = store.edit_product(
                product,
                None,
                Some(self.chance.random_range(5..200) * 100 - 5),
                now,
            );
        }
    }

    fn draft(&mut self, number: u32, variants: u32) -> Draft {
        let noun = one_of(&mut self.chance, &NOUNS);
        let price = self.chance.random_range(5..200) * 100 - 5;
        let variant = |position: u32| {
            let size = SIZES[position as usize % SIZES.len()];
            let title = format!("{size} {}", position + 1);
            let sku = format!("{}-{number:05}-{}", noun.to_uppercase(), position + 1);
            (
                title,
                sku,
                price + i64::from(position) * 100,
                number.is_multiple_of(50),
            )
        };
        Draft {
            title: format!("{} {noun} {number}", one_of(&mut self.chance, &ADJECTIVES)),
            vendor: one_of(&mut self.chance, &VENDORS).to_owned(),
            kind: noun.to_owned(),
            variants: (0..variants).map(variant).collect(),
        }
    }
}

fn one_of(chance: &mut StdRng, words: &[&'static str]) -> &'static str {
    words[chance.random_range(0..words.len())]
}

//! What goes wrong on purpose: with webhooks by chance, with API calls by chance or for the next few.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use crate::bulk::BulkFaults;
use crate::store::ChangeRefused;

/// The longest that a call is made to wait, in milliseconds.
const MAX_LATENCY: u64 = 600_000;

/// All faults, as `POST /_sim/faults` takes them; a part left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ShopFaults {
    pub(crate) webhooks: Option<WebhookFaults>,
    pub(crate) graphql: Option<ApiFault>,
    pub(crate) mutations: Option<MutationFaults>,
    pub(crate) latency_ms: Option<u64>,
    pub(crate) bulk: Option<BulkFaults>,
    pub(crate) token: Option<ApiFault>,
    pub(crate) shop: Option<ShopState>,
    pub(crate) headers: Option<Headers>,
}

/// Whether the shop answers its API at all.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ShopState {
    #[default]
    Open,
    /// The shop has not paid: 402.
    Frozen,
    /// It broke the limits too often.
    Locked,
}

/// What answers say of themselves.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Headers {
    /// The API version answers and webhooks claim to be of.
    pub(crate) version: Option<String>,
    /// Why the call will not work in future.
    pub(crate) deprecated_reason: Option<String>,
    /// How far off the `Date` is.
    pub(crate) date_offset_seconds: i32,
}

impl Headers {
    fn check(&self) -> Result<(), ChangeRefused> {
        let given = [
            ("version", &self.version),
            ("deprecatedReason", &self.deprecated_reason),
        ];
        for (field, text) in given {
            if text
                .as_ref()
                .is_some_and(|text| hyper::header::HeaderValue::from_str(text).is_err())
            {
                return Err(ChangeRefused::new(field, "cannot stand in a header"));
            }
        }
        Ok(())
    }
}

/// Chances are between 0 and 1.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct WebhookFaults {
    /// The chance that a delivery is never made.
    pub(crate) drop: f64,
    /// The chance that it is made twice, under one webhook id.
    pub(crate) duplicate: f64,
    /// The chance that it waits up to two seconds longer than others.
    pub(crate) reorder: f64,
    /// How long every delivery waits, in seconds of the shop's clock.
    pub(crate) delay_seconds: f64,
    /// Whether deliveries wait until this is taken back.
    pub(crate) paused: bool,
    /// Whether the receiver cannot be reached until this is taken back: every attempt fails.
    pub(crate) outage: bool,
}

impl WebhookFaults {
    pub(crate) fn check(&self) -> Result<(), ChangeRefused> {
        let chances = [
            ("drop", self.drop),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
        ];
        for (field, chance) in chances {
            if !(0.0..=1.0).contains(&chance) {
                return Err(ChangeRefused::new(field, "must be between 0 and 1"));
            }
        }
        if !(0.0..=86_400.0).contains(&self.delay_seconds) {
            return Err(ChangeRefused::new(
                "delaySeconds",
                "must be between 0 and 86400",
            ));
        }
        Ok(())
    }
}

/// What a call gets instead of an answer.
#[derive(Clone, Copy)]
pub(crate) enum InjectedFault {
    HangUp,
    Status(u16),
}

impl InjectedFault {
    /// The HTTP status, or 0 for none at all.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::HangUp => 0,
            Self::Status(status) => status,
        }
    }
}

/// How the next calls of the API end, and by chance others.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct ApiFault {
    /// How many calls it concerns for certain.
    calls: u32,
    /// The chance that it concerns any other.
    chance: f64,
    /// The HTTP status they get, 400 to 599; without one, the connection is closed unanswered.
    status: Option<u16>,
}

impl ApiFault {
    fn check(&self) -> Result<(), ChangeRefused> {
        if !(0.0..=1.0).contains(&self.chance) {
            return Err(ChangeRefused::new("chance", "must be between 0 and 1"));
        }
        match self.status {
            Some(status) if !(400..600).contains(&status) => {
                Err(ChangeRefused::new("status", "must be between 400 and 599"))
            }
            _ => Ok(()),
        }
    }

    /// The fault to inject into the next call; `None` when it is to be answered as usual.
    fn draw(&mut self, chance: &mut StdRng) -> Option<InjectedFault> {
        match self.calls.checked_sub(1) {
            Some(left) => self.calls = left,
            None if self.chance > 0.0 && chance.random_bool(self.chance) => {}
            None => return None,
        }
        Some(
            self.status
                .map_or(InjectedFault::HangUp, InjectedFault::Status),
        )
    }
}

/// How mutations end; a part left out is taken back.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct MutationFaults {
    /// They are refused as throttled, however full the bucket is.
    throttled: ApiFault,
    /// They fail before anything is done, their idempotency keys unused.
    before: ApiFault,
    /// They are carried out, and their answer is lost.
    after: ApiFault,
}

/// What goes wrong with API calls.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiFaults {
    graphql: ApiFault,
    mutations: MutationFaults,
    token: ApiFault,
    shop: ShopState,
    pub(crate) headers: Headers,
    /// How long every call waits before it is carried out, in milliseconds of real time.
    pub(crate) latency_ms: u64,
    #[serde(skip)]
    chance: StdRng,
}

impl ApiFaults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            graphql: ApiFault::default(),
            mutations: MutationFaults::default(),
            token: ApiFault::default(),
            shop: ShopState::default(),
            headers: Headers::default(),
            latency_ms: 0,
            chance: StdRng::seed_from_u64(seed ^ 0xfa17),
        }
    }

    /// Takes over what is given, or nothing if a part of it is wrong.
    pub(crate) fn change(&mut self, given: &ShopFaults) -> Result<(), ChangeRefused> {
        let faults = given.graphql.iter().chain(&given.token);
        let mutations = given.mutations.iter();
        let parts = mutations.flat_map(|given| [&given.throttled, &given.before, &given.after]);
        for fault in faults.chain(parts) {
            fault.check()?;
        }
        if given
            .mutations
            .as_ref()
            .is_some_and(|given| given.throttled.status.is_some())
        {
            return Err(ChangeRefused::new(
                "status",
                "how the throttled are answered is an option of the shop",
            ));
        }
        if given
            .latency_ms
            .is_some_and(|latency| latency > MAX_LATENCY)
        {
            return Err(ChangeRefused::new(
                "latencyMs",
                format!("must be at most {MAX_LATENCY}"),
            ));
        }
        if let Some(headers) = &given.headers {
            headers.check()?;
        }
        take(&mut self.graphql, given.graphql.as_ref());
        take(&mut self.mutations, given.mutations.as_ref());
        take(&mut self.token, given.token.as_ref());
        take(&mut self.shop, given.shop.as_ref());
        take(&mut self.headers, given.headers.as_ref());
        take(&mut self.latency_ms, given.latency_ms.as_ref());
        Ok(())
    }

    /// The fault for a call of any kind, before it is read.
    pub(crate) fn on_arrival(&mut self) -> Option<InjectedFault> {
        self.closed()
            .or_else(|| self.graphql.draw(&mut self.chance))
    }

    /// The fault for a request for an access token.
    pub(crate) fn on_token(&mut self) -> Option<InjectedFault> {
        self.closed().or_else(|| self.token.draw(&mut self.chance))
    }

    fn closed(&self) -> Option<InjectedFault> {
        match self.shop {
            ShopState::Open => None,
            ShopState::Frozen => Some(InjectedFault::Status(402)),
            ShopState::Locked => Some(InjectedFault::Status(423)),
        }
    }

    /// Whether a mutation is throttled.
    pub(crate) fn throttles(&mut self) -> bool {
        self.mutations.throttled.draw(&mut self.chance).is_some()
    }

    /// The fault for a mutation that is about to be carried out, and then is not.
    pub(crate) fn before(&mut self) -> Option<InjectedFault> {
        self.mutations.before.draw(&mut self.chance)
    }

    /// The fault that hides the answer of a mutation that was carried out.
    pub(crate) fn after(&mut self) -> Option<InjectedFault> {
        self.mutations.after.draw(&mut self.chance)
    }
}

fn take<T: Clone>(kept: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        kept.clone_from(given);
    }
}

//! Who somebody is, and who may see what: one table for live events, replays, snapshots and REST.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{ErrorBody, ErrorCode};
use crate::id::{AnyId, CustomerId, LocationId, ShopDomain, UserId};
use crate::shape::ReservedItem;

/// What somebody is to the shop.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the installation.
    Admin,
    /// Buys.
    Customer,
    /// Looks.
    Guest,
    /// Runs the shop.
    Manager,
    /// Another program: posts events and reads nothing.
    Service,
    /// Works in the shop.
    Staff,
    /// An admin of every shop.
    SuperAdmin,
}

impl Role {
    /// The name in tokens and rooms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Customer => "customer",
            Self::Guest => "guest",
            Self::Manager => "manager",
            Self::Service => "service",
            Self::Staff => "staff",
            Self::SuperAdmin => "super_admin",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Every role there is.
    pub const ALL: [Self; 7] = [
        Self::Admin,
        Self::Customer,
        Self::Guest,
        Self::Manager,
        Self::Service,
        Self::Staff,
        Self::SuperAdmin,
    ];

    /// Whether it works for the shop: staff and above.
    pub fn is_staff(self) -> bool {
        matches!(
            self,
            Self::Admin | Self::Manager | Self::Staff | Self::SuperAdmin
        )
    }

    /// The roles that may give commands, over whichever contract. The one list: the routes, the sockets and the
    /// decision itself ask it.
    pub const GIVING_COMMANDS: [Self; 4] =
        [Self::Admin, Self::Manager, Self::Staff, Self::SuperAdmin];

    /// Whether this role may give commands.
    pub fn may_give_commands(self) -> bool {
        Self::GIVING_COMMANDS.contains(&self)
    }

    /// Refuses a command of a role that gives none.
    ///
    /// # Errors
    /// `FORBIDDEN`, with a sentence that names the role.
    pub fn check_gives_commands(self) -> Result<(), ErrorBody> {
        if self.may_give_commands() {
            return Ok(());
        }
        let message = format!("the role {} gives no commands", self.as_str());
        Err(ErrorBody::new(ErrorCode::Forbidden, message))
    }

    /// Whether it is told of alerts that concern others.
    pub fn is_admin(self) -> bool {
        matches!(self, Self::Admin | Self::SuperAdmin)
    }
}

/// Which shops a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShopScope {
    /// All there are.
    All,
    /// These.
    Only(Vec<ShopDomain>),
}

/// Who somebody is, as a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user_id: UserId,
    /// What they are to the shop.
    pub role: Role,
    /// The customer they are, for role `customer`.
    pub customer_id: Option<CustomerId>,
    /// The locations they are limited to; `None` is all.
    pub locations: Option<Vec<LocationId>>,
    /// The shops they are limited to.
    pub shops: ShopScope,
    /// The companies they belong to.
    pub companies: Vec<AnyId>,
    /// When the token runs out.
    pub expires_at: Timestamp,
    /// When the token was issued, where it says so.
    pub issued_at: Option<Timestamp>,
    /// The token's own id (`jti`), where it has one.
    pub token_id: Option<Box<str>>,
}

/// What of an identity decides over what its bearer may see and do, and nothing else of it.
///
/// Two identities with equal rights may be sent the same events. A reader that gets others starts anew, and a session is
/// recovered only under those that it had: both ask [`Identity::rights`], so neither can forget a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityRights<'a> {
    role: Role,
    customer_id: Option<CustomerId>,
    locations: Option<&'a [LocationId]>,
    shops: &'a ShopScope,
    companies: &'a [AnyId],
}

impl IdentityRights<'_> {
    /// The rights as texts, each right at its own place, to make a fingerprint of. Equal only for equal rights. Clients
    /// bring back fingerprints for as long as sessions are kept, so the texts of the rights that exist do not change.
    pub fn texts(&self) -> [String; 5] {
        let Self {
            role,
            customer_id,
            locations,
            shops,
            companies,
        } = self;
        let only = |ids: Vec<String>| format!("only {}", ids.join(","));
        let all = || "all".to_owned();
        let shops = match shops {
            ShopScope::All => None,
            ShopScope::Only(shops) => Some(only(texts(shops))),
        };
        [
            role.as_str().to_owned(),
            customer_id.map(|id| id.to_string()).unwrap_or_default(),
            locations.map_or_else(all, |ids| only(texts(ids))),
            shops.unwrap_or_else(all),
            only(texts(companies)),
        ]
    }
}

fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// What an event, record or room is about, as far as it matters to who may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// For admins, and for the one it concerns.
    Alert {
        /// Whom it concerns.
        user: Option<&'a UserId>,
    },
    /// For those who work for a company.
    Company {
        /// Which.
        company: &'a AnyId,
    },
    /// A customer's doings.
    Customer,
    /// Stock set aside for somebody.
    Reservation {
        /// The user who reserved it.
        by: &'a UserId,
        /// What, and where.
        items: &'a [ReservedItem],
    },
    /// Stock.
    Inventory {
        /// Where; `None` when at several places.
        location: Option<LocationId>,
    },
    /// An order.
    Order {
        /// Whose.
        customer: Option<CustomerId>,
        /// Whose, where another program says by its own name for them.
        user: Option<&'a UserId>,
        /// Where it is fulfilled; empty while unassigned.
        locations: &'a [LocationId],
    },
    /// A payment.
    Payment {
        /// Whose.
        customer: Option<CustomerId>,
        /// Whose, where another program says by its own name for them.
        user: Option<&'a UserId>,
    },
    /// For one user, or for everybody it is addressed to.
    Personal {
        /// For whom.
        user: Option<&'a UserId>,
    },
    /// A product.
    Product,
    /// For those who have a role.
    Role(Role),
    /// What goes on between us and Shopify.
    Sync,
    /// For those who work for the shop.
    Work,
}

impl Identity {
    /// Of that role in every shop, limited by nothing and never running out: whoever is known otherwise than by a token.
    pub fn unlimited(user_id: UserId, role: Role) -> Self {
        Self {
            user_id,
            role,
            customer_id: None,
            locations: None,
            shops: ShopScope::All,
            companies: Vec::new(),
            expires_at: Timestamp::MAX,
            issued_at: None,
            token_id: None,
        }
    }

    /// What this identity may see and do, without who it is and when its token began and ends.
    pub fn rights(&self) -> IdentityRights<'_> {
        // Without `..`: whoever adds a field to an identity decides here whether it is a right.
        let Self {
            role,
            customer_id,
            locations,
            shops,
            companies,
            user_id: _,
            expires_at: _,
            issued_at: _,
            token_id: _,
        } = self;
        IdentityRights {
            role: *role,
            customer_id: *customer_id,
            locations: locations.as_deref(),
            shops,
            companies,
        }
    }

    /// The locations that this identity is limited to; `None` is no limit. Only staff can be limited: a manager or an
    /// admin whose token names locations sees all of them, as in [`Identity::may_see`].
    pub fn limiting_locations(&self) -> Option<&[LocationId]> {
        self.locations
            .as_deref()
            .filter(|_| self.role == Role::Staff)
    }

    /// Whether this identity may see anything of that shop.
    pub fn may_enter(&self, shop: &ShopDomain) -> bool {
        match &self.shops {
            ShopScope::All => true,
            ShopScope::Only(shops) => shops.contains(shop),
        }
    }

    /// The role table. The shop is checked apart, by [`Identity::may_enter`].
    pub fn may_see(&self, subject: Subject<'_>) -> bool {
        let own = |customer: Option<CustomerId>, user: Option<&UserId>| {
            (customer.is_some() && customer == self.own_customer()) || user == Some(&self.user_id)
        };
        let here = |location: LocationId| {
            self.locations
                .as_ref()
                .is_none_or(|mine| mine.contains(&location))
        };
        let everything = self.role.is_admin() || self.role == Role::Manager;
        match (subject, self.role) {
            (_, Role::Service) => false,
            (Subject::Personal { user }, _) => user.is_none_or(|user| *user == self.user_id),
            (Subject::Alert { user }, role) => role.is_admin() || user == Some(&self.user_id),
            (Subject::Role(role), Role::SuperAdmin) => role.is_admin(),
            (Subject::Role(role), mine) => role == mine,
            (Subject::Company { company }, role) => {
                role == Role::SuperAdmin || (role.is_staff() && self.companies.contains(company))
            }
            (Subject::Product, _) => true,
            _ if everything => true,
            (Subject::Inventory { location }, Role::Staff) => match location {
                Some(location) => here(location),
                None => self.locations.is_none(),
            },
            (Subject::Reservation { by, items }, Role::Staff) => {
                *by == self.user_id || items.iter().all(|held| here(held.location_id))
            }
            (Subject::Order { locations, .. }, Role::Staff) => {
                locations.is_empty() || locations.iter().any(|location| here(*location))
            }
            (Subject::Customer | Subject::Sync | Subject::Work, Role::Staff) => true,
            (
                Subject::Order { customer, user, .. } | Subject::Payment { customer, user },
                Role::Customer,
            ) => own(customer, user),
            _ => false,
        }
    }

    /// The customer whose orders are this identity's own: the token's `customerId`, else its user id.
    pub fn own_customer(&self) -> Option<CustomerId> {
        match self.role {
            Role::Customer => self
                .customer_id
                .or_else(|| self.user_id.as_str().parse().ok()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(role: Role) -> Identity {
        Identity::unlimited("7".parse().unwrap(), role)
    }

    fn who_sees(subject: Subject<'_>) -> Vec<&'static str> {
        Role::ALL
            .into_iter()
            .filter(|role| identity(*role).may_see(subject))
            .map(Role::as_str)
            .collect()
    }

    #[test]
    fn the_role_table_is_the_contracts() {
        let location = "1".parse().ok();
        assert_eq!(
            who_sees(Subject::Inventory { location }),
            ["admin", "manager", "staff", "super_admin"]
        );
        assert_eq!(
            who_sees(Subject::Product),
            [
                "admin",
                "customer",
                "guest",
                "manager",
                "staff",
                "super_admin"
            ]
        );
        assert_eq!(
            who_sees(Subject::Sync),
            ["admin", "manager", "staff", "super_admin"]
        );
        assert_eq!(
            who_sees(Subject::Customer),
            ["admin", "manager", "staff", "super_admin"]
        );
        assert_eq!(
            who_sees(Subject::Payment {
                customer: None,
                user: None
            }),
            ["admin", "manager", "super_admin"]
        );
        let own = "7".parse().ok();
        assert_eq!(
            who_sees(Subject::Payment {
                customer: own,
                user: None
            }),
            ["admin", "customer", "manager", "super_admin"]
        );
        let order = Subject::Order {
            customer: "8".parse().ok(),
            user: None,
            locations: &[],
        };
        assert_eq!(
            who_sees(order),
            ["admin", "manager", "staff", "super_admin"]
        );
        assert_eq!(
            who_sees(Subject::Alert { user: None }),
            ["admin", "super_admin"]
        );
        assert_eq!(
            who_sees(Subject::Work),
            ["admin", "manager", "staff", "super_admin"]
        );
        assert_eq!(who_sees(Subject::Role(Role::Customer)), ["customer"]);
        assert_eq!(
            who_sees(Subject::Role(Role::Admin)),
            ["admin", "super_admin"]
        );
    }

    #[test]
    fn a_companys_own_is_for_those_who_work_for_it_and_for_who_runs_everything() {
        let mine = "c1".parse().unwrap();
        let who = |role, companies: &[&str]| {
            let companies = companies.iter().map(|id| id.parse().unwrap()).collect();
            Identity {
                companies,
                ..identity(role)
            }
            .may_see(Subject::Company { company: &mine })
        };
        assert!(who(Role::Staff, &["c0", "c1"]) && who(Role::SuperAdmin, &[]));
        assert!(
            !who(Role::Admin, &["c2"])
                && !who(Role::Customer, &["c1"])
                && !who(Role::Service, &["c1"])
        );
    }

    #[test]
    fn what_was_posted_for_a_user_is_that_users() {
        let (own, other) = ("7".parse().unwrap(), "8".parse().unwrap());
        let customer = identity(Role::Customer);
        let order = |user| Subject::Order {
            customer: None,
            user: Some(user),
            locations: &[],
        };
        assert!(customer.may_see(order(&own)) && !customer.may_see(order(&other)));
        assert!(
            !identity(Role::Guest).may_see(order(&own)),
            "a guest orders nothing"
        );
    }

    #[test]
    fn staff_limited_to_a_location_see_nothing_of_another() {
        let (here, there): (LocationId, LocationId) = ("1".parse().unwrap(), "2".parse().unwrap());
        let staff = Identity {
            locations: Some(vec![here]),
            ..identity(Role::Staff)
        };
        let order = |locations: &[LocationId]| {
            staff.may_see(Subject::Order {
                customer: None,
                user: None,
                locations,
            })
        };
        assert!(staff.may_see(Subject::Inventory {
            location: Some(here)
        }));
        assert!(!staff.may_see(Subject::Inventory {
            location: Some(there)
        }));
        assert!(!staff.may_see(Subject::Inventory { location: None }));
        assert!(order(&[]) && order(&[there, here]) && !order(&[there]));
        let held = |location_id| ReservedItem {
            inventory_item_id: "3".parse().unwrap(),
            location_id,
            quantity: 1,
        };
        let other = "8".parse().unwrap();
        assert!(staff.may_see(Subject::Reservation {
            by: &other,
            items: &[held(here)]
        }));
        assert!(!staff.may_see(Subject::Reservation {
            by: &other,
            items: &[held(here), held(there)]
        }));
        assert!(
            staff.may_see(Subject::Reservation {
                by: &staff.user_id,
                items: &[held(there)]
            }),
            "their own"
        );
    }

    #[test]
    fn every_right_tells_two_identities_apart_and_nothing_else_does() {
        let plain = identity(Role::Staff);
        let only = |id: &str| Some(vec![id.parse().unwrap()]);
        let shop = "a.myshopify.com".parse().unwrap();
        let others = [
            identity(Role::Admin),
            Identity {
                customer_id: "8".parse().ok(),
                ..plain.clone()
            },
            Identity {
                locations: Some(Vec::new()),
                ..plain.clone()
            },
            Identity {
                locations: only("1"),
                ..plain.clone()
            },
            Identity {
                shops: ShopScope::Only(Vec::new()),
                ..plain.clone()
            },
            Identity {
                shops: ShopScope::Only(vec![shop]),
                ..plain.clone()
            },
            Identity {
                companies: vec!["c1".parse().unwrap()],
                ..plain.clone()
            },
        ];
        for (n, one) in others.iter().enumerate() {
            assert!(
                one.rights() != plain.rights() && one.rights().texts() != plain.rights().texts()
            );
            for other in &others[..n] {
                assert!(one.rights() != other.rights());
                assert_ne!(one.rights().texts(), other.rights().texts());
            }
        }
        let later = Identity {
            user_id: "8".parse().unwrap(),
            expires_at: Timestamp::MIN,
            issued_at: Some(Timestamp::MIN),
            token_id: Some("t".into()),
            ..plain.clone()
        };
        assert_eq!(later.rights(), plain.rights());
    }

    #[test]
    fn who_works_for_the_shop_gives_commands_and_nobody_else() {
        for role in Role::ALL {
            assert_eq!(role.may_give_commands(), role.is_staff());
            assert_eq!(role.check_gives_commands().is_ok(), role.is_staff());
        }
    }

    #[test]
    fn a_customer_without_a_customer_id_is_known_by_the_user_id() {
        let own = Subject::Order {
            customer: "7".parse().ok(),
            user: None,
            locations: &[],
        };
        let other = Identity {
            customer_id: "8".parse().ok(),
            ..identity(Role::Customer)
        };
        assert!(identity(Role::Customer).may_see(own));
        assert!(
            !other.may_see(own),
            "a stated customerId wins over the user id"
        );
    }
}

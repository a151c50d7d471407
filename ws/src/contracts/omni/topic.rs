//! The six namespaces: their names, who may subscribe to them, and the rooms behind them.

use std::collections::BTreeSet;

use schemas::{Identity, Role, Room};

use crate::contracts::request::own_orders;

/// What one subscribes to; clients call it a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Orders,
    Customers,
    Products,
    Inventory,
    Payments,
    System,
}

impl Topic {
    pub(crate) const ALL: [Self; 6] = [
        Self::Orders,
        Self::Customers,
        Self::Products,
        Self::Inventory,
        Self::Payments,
        Self::System,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Customers => "customers",
            Self::Products => "products",
            Self::Inventory => "inventory",
            Self::Payments => "payments",
            Self::System => "system",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name)
    }

    /// Who may subscribe at all; what of it they see is a matter of each event.
    pub(crate) fn is_for(self, role: Role) -> bool {
        let manager = role.is_admin() || role == Role::Manager;
        match self {
            Self::Customers | Self::Inventory => role.is_staff(),
            Self::Orders => role.is_staff() || role == Role::Customer,
            Self::Payments => manager || role == Role::Customer,
            Self::Products | Self::System => role != Role::Service,
        }
    }

    /// The rooms behind it, for somebody who may subscribe. No room is behind two.
    pub(crate) fn rooms(self, identity: &Identity) -> BTreeSet<Room> {
        match self {
            Self::Orders if identity.role == Role::Customer => own_orders(identity),
            Self::Orders => [Room::OrdersAll].into(),
            Self::Customers => [Room::Customers].into(),
            Self::Products => [Room::Products].into(),
            Self::Inventory => [Room::InventoryAll].into(),
            Self::Payments => [Room::Payments].into(),
            Self::System => [
                Room::Everyone,
                Room::Role(identity.role),
                Room::User(identity.user_id.clone()),
            ]
            .into(),
        }
    }

    /// The one that a room is behind.
    pub(crate) fn of(room: &Room) -> Option<Self> {
        match room {
            Room::OrdersAll | Room::OrdersCustomer(_) => Some(Self::Orders),
            Room::Customers => Some(Self::Customers),
            Room::Products => Some(Self::Products),
            Room::InventoryAll => Some(Self::Inventory),
            Room::Payments => Some(Self::Payments),
            Room::Everyone | Room::Role(_) | Room::User(_) => Some(Self::System),
            _ => None,
        }
    }
}

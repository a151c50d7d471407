//! Who may call a route: described beside it, checked by the dispatcher before any handler sees the request.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use schemas::{ErrorBody, ErrorCode, Identity, Role, ShopDomain};

use super::RouteContext;
use super::service;
use crate::control;
use crate::http::edge::Peer;
use crate::people::auth::TokenError;

/// What a token must say for a route to answer its bearer.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenAccess {
    /// The roles that may call.
    pub(super) roles: &'static [Role],
    pub(super) condition: AccessCondition,
    /// Whether programs in `trusted_networks` may call without a token, as role service.
    pub(super) or_trusted_network: bool,
    /// The answer to others; `{role}` stands for theirs.
    pub(super) refusal: &'static str,
}

/// What must hold beside the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccessCondition {
    Nothing,
    /// The token is good for every shop that is configured.
    EveryShop,
    /// The same, or the path names the caller: then any role may.
    EveryShopOrOneself,
    /// The bearer is not limited to locations.
    EveryLocation,
    /// A customer must be known by a customer id.
    OwnOrders,
    /// The caller comes by the control socket, without a token.
    ControlSocket,
}

const READ_REFUSAL: &str = "the role {role} may not read this";

const fn of_roles(roles: &'static [Role], refusal: &'static str) -> TokenAccess {
    TokenAccess {
        roles,
        condition: AccessCondition::Nothing,
        or_trusted_network: false,
        refusal,
    }
}

/// Whoever has a token; rows are filtered by what its bearer may see.
pub(super) const EVERYBODY: TokenAccess = of_roles(&Role::ALL, READ_REFUSAL);
/// Whoever may see products.
pub(super) const BUT_SERVICES: TokenAccess = of_roles(
    &[
        Role::Admin,
        Role::Customer,
        Role::Guest,
        Role::Manager,
        Role::Staff,
        Role::SuperAdmin,
    ],
    READ_REFUSAL,
);
/// Whoever may see orders: customers their own.
pub(super) const BUYERS_AND_STAFF: TokenAccess = TokenAccess {
    condition: AccessCondition::OwnOrders,
    ..of_roles(
        &[
            Role::Admin,
            Role::Customer,
            Role::Manager,
            Role::Staff,
            Role::SuperAdmin,
        ],
        READ_REFUSAL,
    )
};
/// Whoever works for the shop, to read.
pub(super) const STAFF: TokenAccess = of_roles(
    &[Role::Admin, Role::Manager, Role::Staff, Role::SuperAdmin],
    READ_REFUSAL,
);
/// The same without those who are limited to locations.
pub(super) const STAFF_OF_EVERY_LOCATION: TokenAccess = TokenAccess {
    condition: AccessCondition::EveryLocation,
    ..STAFF
};
/// Whoever may give commands.
pub(super) const COMMANDERS: TokenAccess =
    of_roles(&Role::GIVING_COMMANDS, "the role {role} gives no commands");
/// Whoever may start and cancel runs.
pub(super) const RUN_MANAGERS: TokenAccess = of_roles(
    &[Role::Admin, Role::Manager, Role::SuperAdmin],
    "the role {role} may not start or end runs",
);
/// Whoever may release every reservation.
pub(super) const RELEASERS: TokenAccess = of_roles(
    &[Role::Admin, Role::SuperAdmin],
    "the role {role} may not release every reservation",
);
/// Whoever runs the installation.
pub(super) const ADMINS_OF_EVERY_SHOP: TokenAccess = TokenAccess {
    condition: AccessCondition::EveryShop,
    ..of_roles(
        &[Role::Admin, Role::SuperAdmin],
        "this is for admins of every shop",
    )
};
/// Whoever runs the installation, and everybody for the user that they are.
pub(super) const ADMINS_OR_ONESELF: TokenAccess = TokenAccess {
    condition: AccessCondition::EveryShopOrOneself,
    ..ADMINS_OF_EVERY_SHOP
};
/// Whoever may open the control socket: the machine's administrators.
pub(super) const CONTROL_SOCKET: TokenAccess = TokenAccess {
    condition: AccessCondition::ControlSocket,
    ..of_roles(&[], "this is for the control socket, on the machine itself")
};
/// Other programs that post, and who runs the installation.
pub(super) const POSTERS: TokenAccess = TokenAccess {
    or_trusted_network: true,
    ..of_roles(
        &[Role::Admin, Role::Service, Role::SuperAdmin],
        "the role {role} may not post events: take a token of role service or admin",
    )
};
/// Those who may know who is connected. Presence is not kept by shop, so who is limited to some shops would be told of
/// the others.
pub(super) const PRESENCE_READERS: TokenAccess = TokenAccess {
    condition: AccessCondition::EveryShop,
    refusal: "who is connected is told to tokens of role admin or service that are good for every shop",
    ..POSTERS
};
/// The same, and everybody for the user that they are.
pub(super) const PRESENCE_READERS_OR_ONESELF: TokenAccess = TokenAccess {
    condition: AccessCondition::EveryShopOrOneself,
    ..PRESENCE_READERS
};

impl TokenAccess {
    /// Who calls, if they may.
    ///
    /// # Errors
    /// Without a good token, or when this caller may not.
    pub(super) fn admit(
        &self,
        context: &RouteContext,
        headers: &HeaderMap,
        peer: Peer,
        path_part: &str,
    ) -> Result<Identity, ErrorBody> {
        let has_token = headers.contains_key(AUTHORIZATION);
        let control = peer.unix_user.filter(|_| !has_token);
        let control = control.and_then(control::identity);
        let comes_by_control = control.is_some();
        let caller = if let Some(control) = control {
            control
        } else if self.or_trusted_network {
            service::caller(context, headers, peer)?
        } else {
            identity(context, headers)?
        };
        let is_admitted = match self.condition {
            AccessCondition::ControlSocket => comes_by_control,
            _ => self.admits(&caller, &context.shops.domains(), path_part),
        };
        if is_admitted {
            return Ok(caller);
        }
        let message = self.refusal.replace("{role}", caller.role.as_str());
        Err(ErrorBody::new(ErrorCode::Forbidden, message))
    }

    fn admits(&self, caller: &Identity, shops: &[ShopDomain], path_part: &str) -> bool {
        let everywhere = || shops.iter().all(|shop| caller.may_enter(shop));
        let has_role = self.roles.contains(&caller.role);
        match self.condition {
            AccessCondition::Nothing => has_role,
            AccessCondition::EveryShop => has_role && everywhere(),
            AccessCondition::EveryShopOrOneself => {
                caller.user_id.as_str() == path_part || has_role && everywhere()
            }
            // No token opens that.
            AccessCondition::ControlSocket => false,
            AccessCondition::EveryLocation => has_role && caller.limiting_locations().is_none(),
            AccessCondition::OwnOrders => {
                has_role && (caller.role != Role::Customer || caller.own_customer().is_some())
            }
        }
    }
}

/// The bearer of the request's token.
pub(super) fn identity(context: &RouteContext, headers: &HeaderMap) -> Result<Identity, ErrorBody> {
    let refuse = |message| ErrorBody::new(ErrorCode::TokenInvalid, message);
    let token = ws::connection::bearer(headers);
    let token = token.ok_or_else(|| refuse("send a token: Authorization: Bearer <token>"))?;
    context
        .tokens
        .verify(&token, context.clock.now())
        .map_err(|reason| {
            tracing::info!(%reason, "Refused a token");
            match reason {
                TokenError::NotYet => ErrorBody::new(
                    ErrorCode::Unavailable,
                    "the keys of tokens are being fetched; try again in a few seconds",
                ),
                _ => refuse("Invalid or expired token"),
            }
        })
}

#[cfg(test)]
mod tests {
    use schemas::{ShopScope, Subject};

    use super::*;

    fn of(role: Role) -> Identity {
        Identity::unlimited("7".parse().unwrap(), role)
    }

    fn admitted(access: &TokenAccess) -> Vec<Role> {
        let admits = |role: &Role| access.admits(&of(*role), &[], "nobody");
        Role::ALL.into_iter().filter(admits).collect()
    }

    #[test]
    fn the_roles_of_a_route_are_those_that_may_see_what_it_answers() {
        let see = |subject: Subject<'_>| -> Vec<Role> {
            Role::ALL
                .into_iter()
                .filter(|role| of(*role).may_see(subject))
                .collect()
        };
        assert_eq!(admitted(&BUT_SERVICES), see(Subject::Product));
        for subject in [
            Subject::Sync,
            Subject::Customer,
            Subject::Inventory { location: None },
        ] {
            assert_eq!(admitted(&STAFF), see(subject));
        }
        let own = Subject::Order {
            customer: "7".parse().ok(),
            user: None,
            locations: &[],
        };
        assert_eq!(admitted(&BUYERS_AND_STAFF), see(own));
        assert_eq!(admitted(&COMMANDERS), admitted(&STAFF));
    }

    #[test]
    fn a_role_is_not_enough_where_more_must_hold() {
        let shop = || "a.myshopify.com".parse::<ShopDomain>().unwrap();
        let nowhere = Identity {
            shops: ShopScope::Only(Vec::new()),
            ..of(Role::Admin)
        };
        for access in [
            ADMINS_OF_EVERY_SHOP,
            PRESENCE_READERS,
            PRESENCE_READERS_OR_ONESELF,
        ] {
            assert!(access.admits(&of(Role::Admin), &[shop()], "nobody"));
            assert!(!access.admits(&nowhere, &[shop()], "nobody"));
        }
        assert!(PRESENCE_READERS_OR_ONESELF.admits(&of(Role::Guest), &[shop()], "7"));
        assert!(!PRESENCE_READERS.admits(&of(Role::Guest), &[shop()], "7"));
        let limited = Identity {
            locations: Some(Vec::new()),
            ..of(Role::Staff)
        };
        assert!(
            STAFF.admits(&limited, &[], "") && !STAFF_OF_EVERY_LOCATION.admits(&limited, &[], "")
        );
        let nameless = Identity::unlimited("ann".parse().unwrap(), Role::Customer);
        assert!(!BUYERS_AND_STAFF.admits(&nameless, &[], ""));
    }
}

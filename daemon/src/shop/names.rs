//! Which shop a request is about: the one it names, else the only one there is for its bearer.

use schemas::{ErrorBody, ErrorCode, Identity, ShopDomain};

/// Our shops and what other systems call them, where they do not use the domain.
#[derive(Debug, Clone)]
pub(crate) struct ShopNames(pub(crate) Vec<(ShopDomain, Option<String>)>);

impl ShopNames {
    /// The shop of that domain or id.
    pub(crate) fn domain(&self, name: &str) -> Option<&ShopDomain> {
        let is = |(domain, id): &&(ShopDomain, Option<String>)| {
            name.eq_ignore_ascii_case(domain.as_str()) || id.as_deref() == Some(name)
        };
        self.0.iter().find(is).map(|(domain, _)| domain)
    }

    /// The only shop there is, and its id.
    pub(crate) fn only(&self) -> Option<&(ShopDomain, Option<String>)> {
        match &self.0[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// The shop of that name, or the only one of `ours` that this identity may enter.
///
/// # Errors
/// A shop that is not ours or not theirs is not found; of several, one must be named.
pub(crate) fn shop(
    by: &Identity,
    named: Option<&str>,
    ours: &[ShopDomain],
) -> Result<ShopDomain, ErrorBody> {
    let mut mine = ours.iter().filter(|shop| by.may_enter(shop));
    let refuse = |code, message| ErrorBody {
        field: Some("shop".to_owned()),
        ..ErrorBody::new(code, message)
    };
    if let Some(name) = named {
        let named: ShopDomain = name
            .parse()
            .map_err(|problem: schemas::IdError| ErrorBody::field("shop", problem.to_string()))?;
        let found = mine.find(|shop| **shop == named).cloned();
        return found.ok_or_else(|| {
            refuse(
                ErrorCode::NotFound,
                format!("there is no shop {named} for you"),
            )
        });
    }
    match (mine.next(), mine.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err(refuse(
            ErrorCode::ShopRequired,
            "the token names no shop".to_owned(),
        )),
        (Some(_), Some(_)) => Err(refuse(
            ErrorCode::ShopRequired,
            "say which shop: <name>.myshopify.com".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Role, ShopScope};

    use super::*;

    #[test]
    fn the_shop_is_the_named_one_or_the_only_one() {
        let shops =
            ["a.myshopify.com", "b.myshopify.com"].map(|name| name.parse::<ShopDomain>().unwrap());
        let who = |shops| Identity {
            shops,
            ..Identity::unlimited("7".parse().unwrap(), Role::Staff)
        };
        let asked = |by: &Identity, named: Option<&str>| {
            shop(by, named, &shops)
                .map(|shop| shop.to_string())
                .map_err(|error| (error.code, error.field))
        };
        let refused = |code| Err((code, Some("shop".to_owned())));
        let (all, one, none) = (
            who(ShopScope::All),
            who(ShopScope::Only(vec![shops[0].clone()])),
            who(ShopScope::Only(Vec::new())),
        );
        assert_eq!(asked(&all, None), refused(ErrorCode::ShopRequired));
        assert_eq!(
            asked(&all, Some("B.myshopify.com")),
            Ok("b.myshopify.com".to_owned())
        );
        assert_eq!(asked(&one, None), Ok("a.myshopify.com".to_owned()));
        assert_eq!(
            asked(&one, Some("b.myshopify.com")),
            refused(ErrorCode::NotFound)
        );
        assert_eq!(
            asked(&all, Some("c.myshopify.com")),
            refused(ErrorCode::NotFound)
        );
        assert_eq!(
            asked(&all, Some("b.example.com")),
            refused(ErrorCode::InvalidPayload)
        );
        assert_eq!(asked(&none, None), refused(ErrorCode::ShopRequired));
    }
}

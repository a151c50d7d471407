//! Fields that the app's scopes do not open.

use super::plan::Planned;
use super::problem::QueryProblem;
use crate::scope::Scopes;

/// The error of a field whose answer the app may not see, or in a mutation, bring about.
pub(crate) fn denied(scopes: &Scopes, field: &Planned) -> Option<QueryProblem> {
    if scopes.names_withheld && matches!(field.name.as_str(), "firstName" | "lastName") {
        let page = "https://shopify.dev/docs/apps/launch/protected-customer-data";
        let message = format!(
            "This app is not approved to use the {} field. See {page} for more details.",
            field.name
        );
        return Some(QueryProblem::new("ACCESS_DENIED", message).with("documentation", page));
    }
    // A count says nothing of what it counts.
    let type_name = match field.name.as_str() {
        "productsCount" => "Product",
        "productVariantsCount" => "ProductVariant",
        "ordersCount" => "Order",
        "customersCount" => "Customer",
        "locationsCount" => "Location",
        _ => field.ty.inner_named_type(),
    };
    denied_type(scopes, type_name, &field.name)
}

/// The same of an object that a field leads to, whatever the field's own type says.
pub(crate) fn denied_type(scopes: &Scopes, type_name: &str, field: &str) -> Option<QueryProblem> {
    let one_of = scopes.missing_for(type_name)?;
    let needed: Vec<String> = one_of
        .iter()
        .map(|scope| format!("`{scope}` access scope"))
        .collect();
    let needed = needed.join(" or ");
    let message = format!("Access denied for {field} field. Required access: {needed}.");
    let documentation = "https://shopify.dev/api/usage/access-scopes";
    Some(
        QueryProblem::new("ACCESS_DENIED", message)
            .with("documentation", documentation)
            .with("requiredAccess", needed),
    )
}

//! Customers who come and go, as staff hear of it.

use serde_json::{Value, json};

use super::client::Client;
use super::{PIPE, World};

/// What staff were told of customers so far: which event, and of whom.
async fn told(staff: &mut Client) -> Vec<(Value, Value)> {
    let events = staff.events_so_far().await.into_iter();
    events
        .map(|(_, event)| {
            (
                event["data"]["event"].clone(),
                event["data"]["customerId"].clone(),
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_customer_is_there_from_the_first_socket_to_the_last() {
    let world = World::new();
    let mut staff = world.staff().await;
    staff.ask("subscribe:notifications", &json!({})).await;
    let token =
        json!({ "role": "customer", "user": "ann", "customer": "5", "shops": [super::shop()] });
    let (online, offline) = (
        (json!("customer:online"), json!("5")),
        (json!("customer:offline"), json!("5")),
    );

    let tab = world.client(&token).await;
    let other_tab = world.client(&token).await;
    assert_eq!(told(&mut staff).await, [online]);
    drop(tab);
    assert_eq!(told(&mut staff).await, []);
    drop(other_tab);
    let (_, event) = staff.event().await;
    assert_eq!(
        (
            event["data"]["event"].clone(),
            event["data"]["customerId"].clone()
        ),
        offline
    );
    assert!(event.get("id").is_none(), "presence is not in the log");
}

#[tokio::test(start_paused = true)]
async fn only_customers_are_and_only_staff_are_told() {
    let world = World::new();
    let mut staff = world.staff().await;
    staff.ask("subscribe:notifications", &json!({})).await;
    let other =
        json!({ "role": "customer", "user": "bob", "customer": "6", "shops": [super::shop()] });
    let mut other = Client::join(&world.hub, PIPE, &other).await.0;
    other.ask("subscribe:notifications", &json!({})).await;
    assert_eq!(
        told(&mut staff).await,
        [(json!("customer:online"), json!("6"))]
    );

    for role in ["guest", "service", "manager"] {
        drop(world.client(&json!({ "role": role, "user": "8" })).await);
    }
    let elsewhere = json!({ "role": "customer", "user": "cy", "customer": "7", "shops": [] });
    drop(world.client(&elsewhere).await);
    assert_eq!(told(&mut staff).await, []);
    assert_eq!(told(&mut other).await, []);
}

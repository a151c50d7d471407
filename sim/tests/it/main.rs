//! The pretend shop as an app sees it: over HTTP alone.

mod api;
mod app;
mod bulk;
mod client;
mod faults;
mod idempotency;
mod receiver;
mod stock;
mod topics;
mod truth;
mod webhooks;
mod writes;

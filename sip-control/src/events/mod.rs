//! What happens: into the log, into the store, to whoever listens (OPS-3).
//!
//! The driver and others [`Hub::publish`]; the API, the console and webhooks subscribe.

mod event;
mod flood;
mod hub;
mod log;
mod past;
mod ring;
mod subscription;
mod webhook;

pub(crate) use self::event::{Event, kind, kinds, unix_ms};
pub(crate) use self::hub::{Hub, HubHealth};
pub(crate) use self::log::EventLog;
#[cfg(test)]
pub(crate) use self::past::NoPast;
pub(crate) use self::past::StoredPast;
pub(crate) use self::subscription::{Filter, Item, Subscription};
pub(crate) use self::webhook::{StoredPlaces, WebhookSettings, WebhookStatus, Webhooks, check_url};

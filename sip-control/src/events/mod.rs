//! What happens: into the log, into the store, to whoever listens (OPS-3).

mod log;

// Joined to the daemon together with the store:
// mod event;
// mod flood;
// mod hub;
// mod past;
// mod ring;
// mod subscription;
// mod webhook;
// pub(crate) use self::event::{Event, Published, kind, unix_ms};
// pub(crate) use self::hub::{Hub, HubHealth};
// pub(crate) use self::past::{NoPast, Past};
// pub(crate) use self::subscription::{Filter, Item, Subscription};
// pub(crate) use self::webhook::{
//     NoPlaces, Places, WebhookSettings, WebhookStatus, Webhooks, check_url,
// };

pub(crate) use self::log::EventLog;

//! One thing that happened, and how the API tells it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};
use sip_core::stack::EventKind;
use sip_core::transport::Transport;

use crate::clock::rfc3339;

/// Names every kind once: as a constant, and for the list of them.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $kind:literal,)*) => {
        /// Kinds that the daemon itself tells of; those of signalling are [`EventKind::name`].
        pub(crate) mod kind {
            $($(#[$doc])* pub(crate) const $name: &str = $kind;)*

            pub(super) const OF_DAEMON: &[&str] = &[$($kind),*];
        }
    };
}

kinds! {
    /// The estimated MOS of a direction of a call has been low for a while.
    QUALITY_LOW = "quality_low",
    QUALITY_NORMAL = "quality_normal",
    /// A certificate of ours expires in 30, 14, 7 or 1 days, or has expired.
    CERTIFICATE_EXPIRING = "certificate_expiring",
    /// A trunk, route, account, token or webhook was changed, or the file was read again.
    CONFIG_CHANGED = "config_changed",
    WEBHOOK_FAILING = "webhook_failing",
    WEBHOOK_RECOVERED = "webhook_recovered",
    /// Events that a webhook was never told of.
    WEBHOOK_GAVE_UP = "webhook_gave_up",
    STORE_DEGRADED = "store_degraded",
    STORE_RECOVERED = "store_recovered",
    /// The system's clock was set, or stood still while the machine slept.
    CLOCK_SET = "clock_set",
    /// New calls are refused, or taken again.
    DRAIN = "drain",
    /// Events of a flood that got no number: how many, of which kind.
    EVENTS_LEFT_OUT = "events_left_out",
}

/// Every kind that there is, those of signalling first.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    let of_signalling = EventKind::ALL.iter().map(|kind| kind.name());
    of_signalling.chain(kind::OF_DAEMON.iter().copied())
}

/// One thing that happened, before it has a number.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    pub(crate) call: Option<u64>,
    pub(crate) trunk: Option<String>,
    pub(crate) peer: Option<(Transport, SocketAddr)>,
    pub(crate) code: Option<u32>,
    pub(crate) text: String,
    /// What the kind has to say beyond that.
    pub(crate) data: Map<String, Value>,
}

impl Event {
    /// Of the daemon itself; `kind` is one of [`kind`].
    pub(crate) fn new(kind: &'static str, text: impl Into<String>) -> Event {
        Event {
            kind,
            call: None,
            trunk: None,
            peer: None,
            code: None,
            text: text.into(),
            data: Map::new(),
        }
    }

    pub(crate) fn of_call(mut self, call: u64) -> Event {
        self.call = Some(call);
        self
    }

    pub(crate) fn of_trunk(mut self, trunk: Option<String>) -> Event {
        self.trunk = trunk;
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Event {
        self.data.insert(name.to_owned(), value.into());
        self
    }
}

impl From<sip_core::stack::Event> for Event {
    fn from(event: sip_core::stack::Event) -> Event {
        let data = match event.kind {
            EventKind::Digit => digit(&event.text),
            _ => Map::new(),
        };
        Event {
            kind: event.kind.name(),
            call: event.call.map(|call| call.0),
            trunk: event.trunk,
            peer: event.peer,
            code: event.code,
            text: event.text,
            data,
        }
    }
}

/// Of `digit 5 from the caller`, or `a digit from the caller` where digits are not shown.
fn digit(text: &str) -> Map<String, Value> {
    let mut data = Map::new();
    let (what, who) = text.rsplit_once(" from the ").unwrap_or((text, ""));
    let digit = what.strip_prefix("digit ").map(str::to_owned);
    data.insert("digit".to_owned(), digit.into());
    data.insert("from".to_owned(), who.into());
    data
}

/// An event with its number, as every subscriber gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) seq: u64,
    /// Milliseconds since 1970.
    pub(crate) time_ms: i64,
    pub(crate) kind: Arc<str>,
    pub(crate) call: Option<u64>,
    pub(crate) trunk: Option<String>,
    /// The JSON object of the API: `seq time kind call trunk peer code text data`.
    pub(crate) body: String,
}

#[derive(Serialize)]
struct Body<'a> {
    seq: u64,
    time: String,
    kind: &'a str,
    call: Option<u64>,
    trunk: Option<&'a str>,
    peer: Option<String>,
    code: Option<u32>,
    text: &'a str,
    data: &'a Map<String, Value>,
}

impl Published {
    pub(super) fn new(seq: u64, time: SystemTime, event: Event) -> Published {
        let body = Body {
            seq,
            time: rfc3339(time),
            kind: event.kind,
            call: event.call,
            trunk: event.trunk.as_deref(),
            peer: event
                .peer
                .map(|(transport, address)| format!("{}:{address}", transport.uri_token())),
            code: event.code,
            text: &event.text,
            data: &event.data,
        };
        // Strings and numbers only: there is nothing that cannot be written.
        let body = serde_json::to_string(&body).unwrap_or_default();
        Published {
            seq,
            time_ms: unix_ms(time),
            kind: event.kind.into(),
            call: event.call,
            trunk: event.trunk,
            body,
        }
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Published>()
            + self.body.capacity()
            + self.kind.len()
            + self.trunk.as_ref().map_or(0, String::capacity)
    }
}

pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use media_core::session::CallId;
    use serde_json::json;

    use super::*;

    fn told(kind: EventKind, text: &str) -> sip_core::stack::Event {
        sip_core::stack::Event {
            kind,
            call: Some(CallId(7)),
            trunk: Some("carrier".to_owned()),
            peer: Some((Transport::Tls, ([192, 0, 2, 1], 5061).into())),
            code: Some(32201),
            text: text.to_owned(),
        }
    }

    #[test]
    fn ops_3_an_event_is_told_with_the_fields_of_the_api() {
        let time = UNIX_EPOCH + std::time::Duration::from_millis(1_709_164_800_250);
        let event = told(EventKind::CallRefused, "not \"allowed\"").into();
        let published = Published::new(41, time, event);
        let body: Value = serde_json::from_str(&published.body).unwrap();
        assert_eq!(
            body,
            json!({"seq": 41, "time": "2024-02-29T00:00:00.250Z", "kind": "call_refused", "call": 7,
                   "trunk": "carrier", "peer": "tls:192.0.2.1:5061", "code": 32201,
                   "text": "not \"allowed\"", "data": {}})
        );
        assert_eq!(published.time_ms, 1_709_164_800_250);
    }

    #[test]
    fn ops_3_every_kind_has_a_name_of_its_own_and_stands_in_the_manual() {
        let page = include_str!("../../../docs/events.md");
        let mut seen = std::collections::HashSet::new();
        for kind in kinds() {
            assert!(seen.insert(kind), "{kind} is there twice");
            assert!(page.contains(&format!("`{kind}`")), "{kind} is not told");
        }
        assert!(seen.len() > 40);
    }

    #[test]
    fn ops_3_a_digit_is_told_only_where_digits_are_shown() {
        let shown: Event = told(EventKind::Digit, "digit 5 from the caller").into();
        assert_eq!(
            Value::Object(shown.data),
            json!({"digit": "5", "from": "caller"})
        );
        let masked: Event = told(EventKind::Digit, "a digit from the callee").into();
        assert_eq!(
            Value::Object(masked.data),
            json!({"digit": null, "from": "callee"})
        );
    }
}

//! Bindings as they are kept: in wall-clock time, listeners by name (SIG-4).

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sip_core::registrar::{Aor, BindingRecord, Snapshot};
use sip_core::transport::ListenerId;

/// The bindings of one address-of-record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) aor: String,
    pub(super) bindings: Vec<KeptBinding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptBinding {
    pub(super) contact: Vec<u8>,
    pub(super) path: Vec<Vec<u8>>,
    pub(super) call_id: String,
    pub(super) sequence: u32,
    /// Milliseconds since 1970.
    pub(super) expires_ms: i64,
    pub(super) instance: Option<(String, u32)>,
    /// Name of the listener, and the source address.
    pub(super) source: Option<(String, SocketAddr)>,
}

pub(super) fn kept(snapshot: &Snapshot, listeners: &[String]) -> Kept {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let wall_ms = |at: Instant| {
        let then = wall + at.saturating_duration_since(now);
        let since = then.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    let one = |binding: &BindingRecord| KeptBinding {
        contact: binding.contact.clone(),
        path: binding.path.clone(),
        call_id: binding.call_id.clone(),
        sequence: binding.sequence,
        expires_ms: wall_ms(binding.expires),
        instance: binding.instance.clone(),
        source: binding.source.and_then(|(listener, address)| {
            let name = listeners.get(usize::from(listener.0))?;
            Some((name.clone(), address))
        }),
    };
    Kept {
        aor: snapshot.aor.as_str().to_owned(),
        bindings: snapshot.bindings.iter().map(one).collect(),
    }
}

pub(super) fn snapshot(kept: &Kept, listeners: &[String]) -> Snapshot {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let wall_ms = wall.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let one = |binding: &KeptBinding| {
        let left = binding.expires_ms.saturating_sub(wall_ms);
        // The clock may have been set back: no binding lives longer than it was given.
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        BindingRecord {
            contact: binding.contact.clone(),
            path: binding.path.clone(),
            call_id: binding.call_id.clone(),
            sequence: binding.sequence,
            expires: now + left.min(sip_core::registrar::LONGEST),
            instance: binding.instance.clone(),
            source: binding.source.as_ref().and_then(|(name, address)| {
                let place = listeners.iter().position(|listener| listener == name)?;
                let id = ListenerId(u16::try_from(place).ok()?);
                Some((id, *address))
            }),
        }
    };
    let (user, domain) = kept.aor.rsplit_once('@').unwrap_or((&kept.aor, ""));
    Snapshot {
        aor: Aor::new(user, domain),
        bindings: kept.bindings.iter().map(one).collect(),
    }
}

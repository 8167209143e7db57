//! Flow slots: what the relays run on, one per local port, indexed like the kernel's table.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media_common::counters::Verdicts;
use media_common::flow::{
    MAX_MEDIA_ADDRESSES, MediaAddress, MediaAddressList, ip_from_mapped, ip_to_mapped,
};
use media_core::relay::{Flow, FlowConfig, FlowStats};
use media_core::report::Digit;
use media_core::srtp::key::MasterKey;

use super::error::MediaError;
use super::hops::FlowHops;
use super::sys::prefetch_value;
use super::wake::Waker;

/// Reports that may wait for the control thread. Of more, latches are found when it samples the
/// flows, and digits are only counted.
const WAITING_REPORTS: usize = 4096;

/// Every flow of the media plane. A slot's lock is taken by the one relay thread that its
/// packets arrive at, and by control for moments.
pub(super) struct Slots {
    layout: MediaAddressList,
    slots: Box<[Mutex<Option<Box<Slot>>>]>,
    /// Keys that flows sent under in whose packets a thread panicked, by index, until the slot
    /// is cleared. How far their indices had come is not known, and a keystream that is used
    /// twice tells both packets (RFC 3711 section 9.1): nothing is sent under them again.
    spoilt: Mutex<HashMap<u32, Vec<MasterKey>>>,
}

/// A flow that is installed.
pub(super) struct Slot {
    pub(super) flow: Flow,
    /// Where its packets go.
    pub(super) hops: FlowHops,
    /// Every key that it has had to send under.
    send_keys: Vec<MasterKey>,
}

impl Slot {
    fn new(config: &FlowConfig, hops: FlowHops) -> Slot {
        Slot {
            flow: Flow::new(config),
            hops,
            send_keys: config.transform.send().into_iter().cloned().collect(),
        }
    }

    fn update(&mut self, config: &FlowConfig, hops: FlowHops) {
        self.flow.update(config);
        self.hops = hops;
        if let Some(key) = config
            .transform
            .send()
            .filter(|key| !self.send_keys.contains(key))
        {
            self.send_keys.push(key.clone());
        }
    }
}

impl Slots {
    /// # Errors
    /// The layout has too many addresses or overlapping places.
    pub(super) fn new(layout: &[MediaAddress]) -> Result<Slots, MediaError> {
        let mut list = MediaAddressList::default();
        if layout.is_empty() || layout.len() > MAX_MEDIA_ADDRESSES {
            return Err(MediaError::Config(format!(
                "there must be 1 to {MAX_MEDIA_ADDRESSES} media addresses with a port range, not {}",
                layout.len()
            )));
        }
        list.addresses[..layout.len()].copy_from_slice(layout);
        let mut count = 0;
        for address in layout {
            if address.port_high < address.port_low || address.first_index != count {
                return Err(MediaError::Config(
                    "the layout of the flow table has gaps".to_owned(),
                ));
            }
            count += u32::from(address.port_high - address.port_low) + 1;
        }
        let slots = (0..count).map(|_| Mutex::new(None)).collect();
        Ok(Slots {
            layout: list,
            slots,
            spoilt: Mutex::default(),
        })
    }

    pub(super) fn layout(&self) -> &MediaAddressList {
        &self.layout
    }

    /// Entries of the flow table.
    pub(super) fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Index of the flow at a local address and port, if it is ours.
    pub(super) fn index_of(&self, local: SocketAddr) -> Option<u32> {
        self.layout
            .index_of(&ip_to_mapped(local.ip()), local.port())
    }

    /// The local address and port of a flow: the way back from [`Slots::index_of`].
    pub(super) fn local_of(&self, index: u32) -> Option<SocketAddr> {
        let has = |media: &&MediaAddress| {
            let ports = u32::from(media.port_high - media.port_low);
            media.address != [0; 16]
                && index
                    .checked_sub(media.first_index)
                    .is_some_and(|port| port <= ports)
        };
        let media = self.layout.addresses.iter().find(has)?;
        let port = u16::try_from(index - media.first_index).ok()? + media.port_low;
        Some(SocketAddr::new(ip_from_mapped(media.address), port))
    }

    /// Place in the list of media addresses of the range that has this address and port.
    pub(super) fn address_of(&self, local: SocketAddr) -> Option<u8> {
        let address = ip_to_mapped(local.ip());
        let has = |media: &MediaAddress| {
            media.address == address && media.index_of(local.port()).is_some()
        };
        self.layout
            .addresses
            .iter()
            .position(has)
            .and_then(|place| u8::try_from(place).ok())
    }

    /// The slot, for a relay thread. `None` if the index is out of range, or if a thread
    /// panicked in the middle of a packet of this flow: its state is not to be trusted,
    /// and its packets are dropped until control installs the flow anew with a key of its own.
    #[inline]
    pub(super) fn lock(&self, index: u32) -> Option<MutexGuard<'_, Option<Box<Slot>>>> {
        self.slots.get(index as usize)?.lock().ok()
    }

    /// Has the slot's place fetched into the cache, for a packet that comes soon. Then
    /// [`Slots::prefetch_flow`] does not wait for it.
    #[inline]
    pub(super) fn prefetch(&self, index: u32) {
        if let Some(slot) = self.slots.get(index as usize) {
            prefetch_value(slot);
        }
    }

    /// Has the flow in the slot fetched into the cache, for a packet that comes soon.
    #[inline]
    pub(super) fn prefetch_flow(&self, index: u32) {
        let slot = self.slots.get(index as usize);
        // Never waits: what control has at hand is in its cache anyway.
        if let Some(Ok(slot)) = slot.map(Mutex::try_lock)
            && let Some(slot) = slot.as_deref()
        {
            prefetch_value(slot);
        }
    }

    /// Puts a flow into the slot, or tells the flow that is there its new configuration. A flow
    /// whose key has been spoilt stays closed: its packets are dropped.
    pub(super) fn install(&self, index: u32, config: &FlowConfig, hops: FlowHops) {
        // Keys are derived for a new flow: not under the lock.
        let mut fresh = None;
        let is_empty = self.access(index, |slot| slot.is_none());
        if self.is_spoilt(index, config) {
            // What ran there meanwhile loses its place as well.
            let taken = self.access(index, Option::take).flatten();
            return self.spoil(index, taken);
        }
        if is_empty == Some(true) {
            fresh = Some(Box::new(Slot::new(config, hops)));
        }
        self.access(index, |slot| match slot {
            Some(slot) => slot.update(config, hops),
            None => *slot = fresh,
        });
    }

    pub(super) fn clear(&self, index: u32) {
        self.access(index, |slot| *slot = None);
        self.spoilt().remove(&index);
    }

    /// Whether the flow would send under a key that must not be used any more.
    fn is_spoilt(&self, index: u32, config: &FlowConfig) -> bool {
        let spoilt = self.spoilt();
        let keys = spoilt.get(&index);
        keys.zip(config.transform.send())
            .is_some_and(|(keys, send)| keys.iter().any(|key| key.is_same_key(send)))
    }

    /// Never sends under the keys of `taken` again.
    fn spoil(&self, index: u32, taken: Option<Box<Slot>>) {
        if let Some(taken) = taken {
            let mut spoilt = self.spoilt();
            spoilt.entry(index).or_default().extend(taken.send_keys);
        }
    }

    fn spoilt(&self) -> MutexGuard<'_, HashMap<u32, Vec<MasterKey>>> {
        self.spoilt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the relays have done for the flow.
    pub(super) fn stats(&self, index: u32) -> FlowStats {
        self.access(index, |slot| slot.as_ref().map(|slot| *slot.flow.stats()))
            .flatten()
            .unwrap_or_default()
    }

    /// When the relays last sent RTP of the flow on; see [`FlowStats`].
    pub(super) fn last_seen_ns(&self, index: u32) -> u64 {
        let seen = |slot: &mut Option<Box<Slot>>| {
            let slot = slot.as_ref()?;
            Some(slot.flow.stats().counters.last_seen_ns)
        };
        self.access(index, seen).flatten().unwrap_or_default()
    }

    /// The source that the flow has locked.
    pub(super) fn latched(&self, index: u32) -> Option<SocketAddr> {
        self.access(index, |slot| {
            slot.as_ref().and_then(|slot| slot.flow.latched())
        })
        .flatten()
    }

    /// The slot, for control.
    fn access<T>(&self, index: u32, with: impl FnOnce(&mut Option<Box<Slot>>) -> T) -> Option<T> {
        let slot = self.slots.get(index as usize)?;
        if slot.is_poisoned() {
            let taken = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(taken) = taken {
                tracing::error!(
                    index,
                    "media: a relay thread panicked in a packet of this flow, which is closed"
                );
                self.spoil(index, Some(taken));
            }
            slot.clear_poison();
        }
        let mut guard = slot.lock().unwrap_or_else(PoisonError::into_inner);
        Some(with(&mut guard))
    }
}

/// A relay thread's verdicts: it adds its own once per batch, control reads.
#[derive(Clone, Default)]
pub(super) struct SharedVerdicts(Arc<Mutex<Verdicts>>);

impl SharedVerdicts {
    pub(super) fn add(&self, verdicts: &Verdicts) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(verdicts);
    }

    pub(super) fn get(&self) -> Verdicts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flow has locked its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Latched {
    pub(super) local: SocketAddr,
    pub(super) source: SocketAddr,
    /// Of the configuration that it locked under: a newer one may have other ideas.
    pub(super) generation: u32,
}

/// What a relay tells control of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlowReport {
    Latched(Latched),
    /// A telephone event arrived there.
    Digit {
        local: SocketAddr,
        digit: Digit,
    },
}

/// A relay's way to tell control. Never blocks and never allocates.
#[derive(Clone)]
pub(super) struct FlowReports {
    sender: SyncSender<FlowReport>,
    waker: Waker,
}

impl FlowReports {
    pub(super) fn new(waker: Waker) -> (FlowReports, Receiver<FlowReport>) {
        let (sender, receiver) = sync_channel(WAITING_REPORTS);
        (FlowReports { sender, waker }, receiver)
    }

    pub(super) fn latched(&self, latched: Latched) {
        self.send(FlowReport::Latched(latched));
    }

    /// A telephone event of that code arrived at `local`; codes that are no digit tell nothing.
    pub(super) fn digit(&self, local: SocketAddr, code: u8) {
        if let Some(digit) = Digit::from_event_code(code) {
            self.send(FlowReport::Digit { local, digit });
        }
    }

    fn send(&self, report: FlowReport) {
        let _ = self.sender.try_send(report);
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use media_core::relay::{Carries, Route, Source, Transform};
    use media_core::srtp::profile::Suite;

    use super::*;

    fn range(last: u8, first_index: u32, port_low: u16, port_high: u16) -> MediaAddress {
        let address = ip_to_mapped(IpAddr::from([192, 0, 2, last]));
        MediaAddress {
            address,
            first_index,
            port_low,
            port_high,
        }
    }

    #[test]
    fn a_port_has_its_index_and_its_address() {
        let slots = Slots::new(&[
            range(1, 0, 100, 109),
            range(2, 10, 100, 109),
            range(1, 20, 200, 201),
        ])
        .unwrap();
        assert_eq!(slots.len(), 22);
        assert_eq!(slots.local_of(22), None);
        for (local, index, address) in [
            ("192.0.2.1:100", Some(0), Some(0)),
            ("192.0.2.2:109", Some(19), Some(1)),
            ("192.0.2.1:201", Some(21), Some(2)),
            ("192.0.2.1:110", None, None),
            ("192.0.2.3:100", None, None),
        ] {
            let local: SocketAddr = local.parse().unwrap();
            assert_eq!(
                (slots.index_of(local), slots.address_of(local)),
                (index, address),
                "{local}"
            );
            let back = index.and_then(|index| slots.local_of(index));
            assert_eq!(back, index.map(|_| local), "{local}");
        }
    }

    #[test]
    fn a_layout_with_gaps_or_without_addresses_is_refused() {
        for layout in [
            vec![],
            vec![range(1, 1, 100, 109)],
            vec![range(1, 0, 109, 100)],
            vec![range(1, 0, 1, 2); 17],
        ] {
            assert!(Slots::new(&layout).is_err());
        }
    }

    /// RTP in, SRTP out under a key of that byte.
    fn encrypting(key: u8) -> FlowConfig {
        let suite = Suite::AesCm128HmacSha1_80;
        let key_salt = vec![key; suite.key_len() + suite.salt_len()];
        FlowConfig {
            carries: Carries::Rtp(Route {
                from: "192.0.2.1:100".parse().unwrap(),
                to: None,
            }),
            source: Source::Unknown,
            payload_types: 0,
            telephone_event: None,
            clock_khz: 8,
            max_packet_rate: 0,
            transform: Transform::Encrypt {
                send: MasterKey::from_key_salt(suite, &key_salt).unwrap(),
            },
            dscp: None,
            generation: 0,
        }
    }

    fn panic_in_a_packet(slots: &Arc<Slots>, index: u32) {
        let slots = Arc::clone(slots);
        let worker = std::thread::spawn(move || {
            let _guard = slots.lock(index);
            panic!("in the middle of a packet");
        });
        assert!(worker.join().is_err());
    }

    fn is_open(slots: &Slots, index: u32) -> bool {
        slots.lock(index).is_some_and(|slot| slot.is_some())
    }

    #[test]
    fn a_flow_that_a_panic_has_spoilt_is_closed_until_it_has_a_new_key() {
        let slots = Arc::new(Slots::new(&[range(1, 0, 100, 101)]).unwrap());
        for index in [0, 1] {
            slots.install(index, &encrypting(1), FlowHops::default());
        }
        slots.install(0, &encrypting(2), FlowHops::default());
        panic_in_a_packet(&slots, 0);
        assert!(!is_open(&slots, 0));
        assert!(is_open(&slots, 1));

        // Neither the key that it had, nor the one before, nor either of them after a new one.
        for (key, opens) in [
            (2, false),
            (1, false),
            (3, true),
            (2, false),
            (3, false),
            (4, true),
        ] {
            slots.install(0, &encrypting(key), FlowHops::default());
            assert_eq!(is_open(&slots, 0), opens, "key {key}");
        }
    }

    #[test]
    fn another_call_may_use_the_port_of_a_spoilt_flow() {
        let slots = Arc::new(Slots::new(&[range(1, 0, 100, 101)]).unwrap());
        slots.install(0, &encrypting(1), FlowHops::default());
        panic_in_a_packet(&slots, 0);
        slots.clear(0);
        slots.install(0, &encrypting(2), FlowHops::default());
        assert!(is_open(&slots, 0));
    }
}

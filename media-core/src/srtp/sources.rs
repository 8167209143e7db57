//! Rollover counter and replay window of each source (SSRC) under one key.
//!
//! A key of SDES serves every source that its sender has (RFC 3711 section 3.2.3 counts a
//! context per SSRC), one or two in a call, more when a far end switches between media
//! servers. The table is of fixed size. The [`LIVE`] most recent sources have a replay
//! window. A source that is pushed out keeps its highest index: should it return, all
//! up to that index counts as seen, so neither a replay is accepted nor a keystream
//! used twice. Nothing is ever forgotten: when [`MAX_SOURCES`] are known, a further one is
//! refused until there is a new key.

use super::auth::Authenticated;
use super::error::SrtpError;
use super::replay::ReplayWindow;
use crate::rtp::{PacketIndex, estimate_index};

/// Sources with a window: more do not speak by turns.
const LIVE: usize = 4;
/// Sources with no more than their highest index.
const RETIRED: usize = 28;
/// Laps of the sequence number that may be missed in a row.
const MISSED_LAPS: u64 = 3;
/// Sources that a key can serve.
pub const MAX_SOURCES: usize = LIVE + RETIRED;

/// In the order of their last use: the last packet's source is the first, and almost always the
/// next one's.
pub(super) struct Sources {
    live: [Live; LIVE],
    live_count: u8,
    retired_count: u8,
    retired: [Retired; RETIRED],
}

#[derive(Clone, Copy)]
struct Live {
    window: ReplayWindow,
    ssrc: u32,
}

/// SSRC and highest index, 32 and 48 bits: every flow has room for many, and uses few.
#[derive(Clone, Copy)]
struct Retired([u16; 5]);

impl Retired {
    fn new(ssrc: u32, highest: u64) -> Retired {
        Retired([
            (ssrc >> 16) as u16,
            ssrc as u16,
            (highest >> 32) as u16,
            (highest >> 16) as u16,
            highest as u16,
        ])
    }

    fn ssrc(self) -> u32 {
        u32::from(self.0[0]) << 16 | u32::from(self.0[1])
    }

    fn highest(self) -> u64 {
        let [_, _, high, middle, low] = self.0.map(u64::from);
        high << 32 | middle << 16 | low
    }
}

/// An index that is free for a packet; nothing is changed until it is given back.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    ssrc: u32,
    index: u64,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Live(usize),
    Retired(usize),
    New,
}

impl Claim {
    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn index(&self) -> u64 {
        self.index
    }
}

impl Sources {
    pub(super) fn new() -> Sources {
        Sources {
            live: [Live {
                window: ReplayWindow::starting_at(0),
                ssrc: 0,
            }; LIVE],
            live_count: 0,
            retired_count: 0,
            retired: [Retired::new(0, 0); RETIRED],
        }
    }

    /// The index of an RTP packet; the first packet of a source has rollover counter 0
    /// (RFC 3711 section 3.3.1).
    pub(super) fn claim_sequence(&self, ssrc: u32, sequence: u16) -> Result<Claim, SrtpError> {
        let place = self.place(ssrc)?;
        let index = match self.window(place) {
            None => u64::from(sequence),
            Some(window) => {
                let index = estimate_index(PacketIndex(window.highest()), sequence)
                    .ok_or(SrtpError::Replay)?
                    .0;
                window.check(index)?;
                index
            }
        };
        Ok(Claim { ssrc, index, place })
    }

    /// The indices that a packet of a known source has if whole laps of 65,536 packets were missed
    /// before it, which nothing but its tag can tell.
    pub(super) fn claims_after_missed_laps(
        &self,
        ssrc: u32,
        sequence: u16,
    ) -> impl Iterator<Item = Claim> {
        let known = self.place(ssrc).ok().and_then(|place| {
            let highest = self.window(place)?.highest();
            let expected = estimate_index(PacketIndex(highest), sequence);
            Some((place, highest, expected))
        });
        known
            .into_iter()
            .flat_map(move |(place, highest, expected)| {
                let same_lap = highest >> 16 << 16 | u64::from(sequence);
                (0..=MISSED_LAPS + 1)
                    .map(move |laps| same_lap + (laps << 16))
                    .filter(move |index| {
                        *index > highest
                            && index >> 48 == 0
                            && Some(PacketIndex(*index)) != expected
                    })
                    .map(move |index| Claim { ssrc, index, place })
            })
    }

    /// An index that the packet names itself, as SRTCP does.
    pub(super) fn claim_index(&self, ssrc: u32, index: u64) -> Result<Claim, SrtpError> {
        let place = self.place(ssrc)?;
        if let Some(window) = self.window(place) {
            window.check(index)?;
        }
        Ok(Claim { ssrc, index, place })
    }

    /// Marks what an authenticated packet has claimed.
    pub(super) fn received(&mut self, claim: Claim, _: &Authenticated) {
        self.mark(claim);
    }

    /// Marks what a packet of our own has claimed.
    pub(super) fn sent(&mut self, claim: Claim) {
        self.mark(claim);
    }

    fn live(&self) -> &[Live] {
        &self.live[..usize::from(self.live_count)]
    }

    fn retired(&self) -> &[Retired] {
        &self.retired[..usize::from(self.retired_count)]
    }

    fn place(&self, ssrc: u32) -> Result<Place, SrtpError> {
        if let Some(at) = self.live().iter().position(|source| source.ssrc == ssrc) {
            return Ok(Place::Live(at));
        }
        if let Some(at) = self.retired().iter().position(|old| old.ssrc() == ssrc) {
            return Ok(Place::Retired(at));
        }
        if self.live().len() == LIVE && self.retired().len() == RETIRED {
            return Err(SrtpError::KeyExpired);
        }
        Ok(Place::New)
    }

    fn window(&self, place: Place) -> Option<ReplayWindow> {
        match place {
            Place::Live(at) => Some(self.live[at].window),
            Place::Retired(at) => Some(ReplayWindow::closed_up_to(self.retired[at].highest())),
            Place::New => None,
        }
    }

    /// A claim is given back before the next one is made, so its place still holds.
    fn mark(&mut self, claim: Claim) {
        match claim.place {
            Place::Live(at) => {
                self.live[at].window.mark(claim.index);
                if at > 0 {
                    self.live[..=at].rotate_right(1);
                }
            }
            Place::Retired(_) | Place::New => {
                let mut window = self
                    .window(claim.place)
                    .unwrap_or(ReplayWindow::starting_at(claim.index));
                window.mark(claim.index);
                self.make_room(claim.place);
                self.live.rotate_right(1);
                self.live[0] = Live {
                    window,
                    ssrc: claim.ssrc,
                };
            }
        }
    }

    /// The last place among the live for a source that is not, retiring the one idle the longest.
    fn make_room(&mut self, from: Place) {
        if self.live().len() < LIVE && matches!(from, Place::New) {
            self.live_count += 1;
            return;
        }
        let idle = &self.live[LIVE - 1];
        let idle = Retired::new(idle.ssrc, idle.window.highest());
        match from {
            // The returning source leaves its place to the one that goes.
            Place::Retired(at) => self.retired[at] = idle,
            Place::New | Place::Live(_) => {
                self.retired[usize::from(self.retired_count)] = idle;
                self.retired_count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn send(sources: &mut Sources, ssrc: u32, sequence: u16) -> Result<u64, SrtpError> {
        let claim = sources.claim_sequence(ssrc, sequence)?;
        sources.sent(claim);
        Ok(claim.index)
    }

    #[test]
    fn a_source_that_was_pushed_out_returns_without_its_past() {
        let mut sources = Sources::new();
        assert_eq!(send(&mut sources, 7, 0xffff), Ok(0xffff));
        assert_eq!(send(&mut sources, 7, 2), Ok(0x1_0002));
        for other in 100..100 + LIVE as u32 {
            assert_eq!(send(&mut sources, other, 5), Ok(5));
        }
        assert_eq!(sources.retired().len(), 1);
        for old in [0xffff, 1, 2] {
            assert_eq!(send(&mut sources, 7, old), Err(SrtpError::Replay), "{old}");
        }
        assert_eq!(send(&mut sources, 7, 3), Ok(0x1_0003));
        assert_eq!(send(&mut sources, 100, 5), Err(SrtpError::Replay));
    }

    #[test]
    fn a_key_serves_so_many_sources_and_no_more() {
        let mut sources = Sources::new();
        for ssrc in 0..MAX_SOURCES as u32 {
            assert_eq!(send(&mut sources, ssrc, 1), Ok(1), "source {ssrc}");
        }
        assert_eq!(send(&mut sources, 9999, 1), Err(SrtpError::KeyExpired));
        // Those that are known go on.
        for ssrc in 0..MAX_SOURCES as u32 {
            assert_eq!(send(&mut sources, ssrc, 2), Ok(2), "source {ssrc}");
        }
    }

    proptest! {
        /// However sources take turns, no index of a source is handed out twice.
        #[test]
        fn no_index_is_used_twice(packets in proptest::collection::vec((0_u32..24, 0_u16..4, any::<bool>()), 1..600)) {
            let mut sources = Sources::new();
            let mut next: HashMap<u32, u16> = HashMap::new();
            let mut used = HashSet::new();
            for (ssrc, back, repeat) in packets {
                let next = next.entry(ssrc).or_insert(0xfff0);
                if !repeat {
                    *next = next.wrapping_add(1);
                }
                if let Ok(index) = send(&mut sources, ssrc, next.wrapping_sub(back)) {
                    prop_assert!(used.insert((ssrc, index)), "source {} index {:#x}", ssrc, index);
                }
            }
        }
    }
}

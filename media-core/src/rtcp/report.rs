//! Sender and receiver reports (RFC 3550 section 6.4), as far as they tell the quality of a call.

/// Middle 32 bits of an NTP timestamp, or a delay in the same unit: 1/65,536 s.
type ShortNtp = u32;

/// The reports that one endpoint has sent through a flow: the newest of each kind.
///
/// Its receiver report tells how the stream reached it, so what the endpoints measure of one
/// direction stands in the flow of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportsSeen {
    received: Option<ReceiverReport>,
    /// When the last sender reports came by, oldest replaced first.
    sent: [SenderReport; REMEMBERED],
    next: u8,
}

/// Sender reports that a receiver report may still refer to.
const REMEMBERED: usize = 4;

/// What is needed of a sender report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SenderReport {
    /// As receiver reports will quote it (`LSR`); 0 for none.
    ntp: ShortNtp,
    arrived_ns: u64,
}

/// A report block (RFC 3550 section 6.4.1): what its author received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverReport {
    /// The source that it is about.
    pub source: u32,
    /// Of the packets since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Since the beginning; duplicates make it less than 0.
    pub cumulative_lost: i32,
    /// Interarrival jitter, in timestamp units.
    pub jitter: u32,
    /// The sender report that its author had last; 0 for none.
    last_sender_report: ShortNtp,
    /// From that one's arrival to this report.
    delay: ShortNtp,
    arrived_ns: u64,
}

/// What one compound packet holds of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    sender: Option<ShortNtp>,
    receiver: Option<ReceiverReport>,
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
/// Header and SSRC of a packet, bytes.
const HEADER: usize = 8;
/// Sender information: NTP and RTP timestamps, packet and octet counts, bytes.
const SENDER_INFO: usize = 20;
const BLOCK: usize = 24;

impl Reports {
    /// Reads a compound packet (RFC 3550 section 6.1) in the clear, as far as its lengths hold.
    pub fn parse(mut compound: &[u8]) -> Reports {
        let mut reports = Reports::default();
        while let Some(&[first, packet_type, high, low]) = compound.first_chunk() {
            let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            let Some(packet) = compound.get(..len).filter(|_| first >> 6 == 2) else {
                break;
            };
            reports.read(packet_type, first & 0x1f, packet);
            compound = &compound[len..];
        }
        reports
    }

    fn read(&mut self, packet_type: u8, count: u8, packet: &[u8]) {
        let blocks_at = match packet_type {
            SENDER_REPORT => HEADER + SENDER_INFO,
            RECEIVER_REPORT => HEADER,
            _ => return,
        };
        let Some(mut blocks) = packet.get(blocks_at..) else {
            return;
        };
        if packet_type == SENDER_REPORT {
            // The middle of the 64 bits at 8.
            self.sender = word(packet, HEADER + 2);
        }
        for _ in 0..count {
            let Some((block, rest)) = blocks.split_first_chunk::<BLOCK>() else {
                return;
            };
            self.receiver = ReceiverReport::read(block).or(self.receiver);
            blocks = rest;
        }
    }
}

impl ReceiverReport {
    fn read(block: &[u8; BLOCK]) -> Option<ReceiverReport> {
        let lost = word(block, 4)?;
        Some(ReceiverReport {
            source: word(block, 0)?,
            fraction_lost: (lost >> 24) as u8,
            // 24 bits with their sign.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            jitter: word(block, 12)?,
            last_sender_report: word(block, 16)?,
            delay: word(block, 20)?,
            arrived_ns: 0,
        })
    }
}

impl ReportsSeen {
    /// Takes what a packet held that arrived at `now_ns` (`CLOCK_MONOTONIC`).
    pub fn note(&mut self, reports: Reports, now_ns: u64) {
        if let Some(ntp) = reports.sender.filter(|ntp| *ntp != 0) {
            self.sent[usize::from(self.next) % REMEMBERED] = SenderReport {
                ntp,
                arrived_ns: now_ns,
            };
            self.next = self.next.wrapping_add(1);
        }
        if let Some(report) = reports.receiver {
            self.received = Some(ReceiverReport {
                arrived_ns: now_ns,
                ..report
            });
        }
    }

    /// These or the others, whichever were heard later: a call's RTCP may move to another port.
    #[must_use]
    pub fn or_later(self, other: ReportsSeen) -> ReportsSeen {
        if other.heard_ns() > self.heard_ns() {
            other
        } else {
            self
        }
    }

    fn heard_ns(&self) -> u64 {
        let sent = self.sent.iter().map(|sent| sent.arrived_ns);
        let received = self.received.map(|report| report.arrived_ns);
        sent.chain(received).max().unwrap_or(0)
    }

    /// The newest receiver report.
    pub fn received(&self) -> Option<&ReceiverReport> {
        self.received.as_ref()
    }

    /// From us to the author of these reports and back, nanoseconds: `other` are the reports of
    /// the other endpoint, one of whose sender reports the newest receiver report quotes.
    ///
    /// RFC 3550 section 6.4.1 takes the sender's clock; here both times are ours, when the two
    /// reports came by. `None` if nothing can be said.
    pub fn round_trip_ns(&self, other: &ReportsSeen) -> Option<u64> {
        let report = self
            .received
            .filter(|report| report.last_sender_report != 0)?;
        let quoted = |sent: &&SenderReport| sent.ntp == report.last_sender_report;
        let sent = other.sent.iter().find(quoted)?;
        let away = report.arrived_ns.checked_sub(sent.arrived_ns)?;
        let held = (u64::from(report.delay) * 1_000_000_000) >> 16;
        away.checked_sub(held)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(packet_type: u8, count: u8, words: &[u32]) -> Vec<u8> {
        let mut packet = vec![0x80 | count, packet_type];
        packet.extend((words.len() as u16).to_be_bytes());
        packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        packet
    }

    /// NTP 0x11112222.33334444 at the sender.
    fn sender_report(blocks: &[u32]) -> Vec<u8> {
        let info = [7, 0x1111_2222, 0x3333_4444, 0, 0, 0];
        packet(200, (blocks.len() / 6) as u8, &[&info, blocks].concat())
    }

    /// 64/256 and -2 lost, jitter 80; quotes the sender report after 2 s.
    const BLOCK_WORDS: [u32; 6] = [9, 0x40ff_fffe, 1000, 80, 0x2222_3333, 2 << 16];

    #[test]
    fn a_receiver_report_says_what_its_author_received() {
        let reports = Reports::parse(&packet(201, 1, &[&[7][..], &BLOCK_WORDS].concat()));
        let report = reports.receiver.unwrap();
        assert_eq!(
            (
                report.source,
                report.fraction_lost,
                report.cumulative_lost,
                report.jitter
            ),
            (9, 64, -2, 80)
        );
        assert_eq!(reports.sender, None);
    }

    #[test]
    fn a_compound_is_read_to_its_end() {
        let mut compound = packet(202, 1, &[7, 0x0100_0000]);
        compound.extend(sender_report(&BLOCK_WORDS));
        let reports = Reports::parse(&compound);
        assert_eq!(reports.sender, Some(0x2222_3333));
        assert_eq!(reports.receiver.map(|report| report.jitter), Some(80));
    }

    #[test]
    fn lengths_that_do_not_hold_end_the_reading() {
        let whole = sender_report(&BLOCK_WORDS);
        for len in 0..whole.len() {
            assert_eq!(
                Reports::parse(&whole[..len]),
                Reports::default(),
                "{len} bytes"
            );
        }
        let mut too_many = sender_report(&BLOCK_WORDS);
        too_many[0] = 0x80 | 31;
        assert!(Reports::parse(&too_many).receiver.is_some());
        let mut empty = whole;
        empty[2..4].copy_from_slice(&[0, 0]);
        assert_eq!(Reports::parse(&empty), Reports::default());
    }

    #[test]
    fn the_round_trip_is_what_the_receiver_did_not_hold() {
        let (mut caller, mut callee) = (ReportsSeen::default(), ReportsSeen::default());
        let start_ns = 1_000_000_000;
        caller.note(Reports::parse(&sender_report(&[])), start_ns);
        let answer = Reports::parse(&packet(201, 1, &[&[7][..], &BLOCK_WORDS].concat()));
        callee.note(answer, start_ns + 2_000_000_000 + 80_000_000);
        assert_eq!(callee.round_trip_ns(&caller), Some(80_000_000));
        assert_eq!(
            caller.round_trip_ns(&callee),
            None,
            "it has reported nothing"
        );

        let other = ReportsSeen::default();
        assert_eq!(
            callee.round_trip_ns(&other),
            None,
            "of a report that we have not seen"
        );
        let mut early = ReportsSeen::default();
        early.note(answer, start_ns + 1_000_000_000);
        assert_eq!(
            early.round_trip_ns(&caller),
            None,
            "held for longer than it was away"
        );
    }

    #[test]
    fn the_last_four_sender_reports_are_remembered() {
        let mut caller = ReportsSeen::default();
        for (turn, ntp) in (1..=5u32).enumerate() {
            let words = [7, ntp >> 16, ntp << 16, 0, 0, 0];
            caller.note(Reports::parse(&packet(200, 0, &words)), turn as u64);
        }
        let known = |ntp| caller.sent.iter().any(|sent| sent.ntp == ntp);
        assert_eq!([1, 2, 3, 4, 5].map(known), [false, true, true, true, true]);
    }
}

//! How good the media of a call is: what passed between two looks at its flows, each way.

use std::time::Duration;

use media_core::quality::{Mos, Quality};
use media_core::report::DirectionReport;
use media_core::session::Side;
use serde::Serialize;

use super::alarm::{Alarm, Change};
use super::history::{History, Interval, QualitySample};
use crate::cdr;
use crate::media::FlowSample;

/// Every direction of a call.
#[derive(Debug, Default)]
pub(super) struct CallQuality(Vec<Direction>);

#[derive(Debug)]
struct Direction {
    from: Side,
    stream: usize,
    latest: FlowSample,
    /// When that was, since the call began.
    at: Duration,
    history: History,
    alarm: Alarm,
}

/// A change of quality that is worth an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) from: Side,
    pub(super) stream: usize,
    pub(super) change: Change,
    /// Of the latest interval.
    pub(super) mos: f64,
}

/// One direction of a call now, as the API tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct DirectionView {
    pub(crate) from: &'static str,
    pub(crate) stream: usize,
    pub(crate) path: &'static str,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
    pub(crate) lost: u64,
    pub(crate) jitter_ms: Option<f64>,
    /// Of the whole call so far.
    pub(crate) mos: Option<f64>,
    /// It was told to be low, and not yet to be normal again.
    pub(crate) quality_low: bool,
}

/// MOS of the latest looks at a direction, oldest first: for a sparkline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RecentMos {
    pub(crate) from: &'static str,
    pub(crate) stream: usize,
    pub(crate) samples: Vec<Option<f64>>,
}

/// The course of a call's quality, as the API tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct QualityHistory {
    /// Between two samples, at most; samples have their own time.
    pub(crate) interval_s: u64,
    pub(crate) directions: Vec<DirectionHistory>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct DirectionHistory {
    pub(crate) from: &'static str,
    pub(crate) stream: usize,
    pub(crate) samples: Vec<QualitySample>,
}

impl CallQuality {
    /// Takes a look at the call's flows. `at` is the time since the call began; a direction keeps no
    /// more than `most` samples; `below` is what counts as low, in hundredths.
    pub(super) fn observe(
        &mut self,
        sample: FlowSample,
        at: Duration,
        most: usize,
        below: u16,
    ) -> Option<Turn> {
        let direction = self.direction(&sample);
        let interval = direction.interval(&sample, at);
        let from_ms = millis(direction.at);
        (direction.latest, direction.at) = (sample, at);
        direction.history.push(interval, most);
        let change = direction
            .alarm
            .observe(from_ms, interval.at_ms, interval.mos, below)?;
        Some(Turn {
            from: sample.from,
            stream: sample.stream,
            change,
            mos: f64::from(interval.mos) / 100.0,
        })
    }

    fn direction(&mut self, sample: &FlowSample) -> &mut Direction {
        let key = (sample.stream, sample.from);
        let place = self
            .0
            .binary_search_by_key(&key, |direction| (direction.stream, direction.from));
        let place = place.unwrap_or_else(|place| {
            // A call has two, as a rule: a vector's first growth would make room for four.
            self.0.reserve_exact(1);
            self.0.insert(place, Direction::new(sample));
            place
        });
        &mut self.0[place]
    }

    /// A call that was over before the first look has its whole as one sample.
    pub(super) fn finish(&mut self, reports: &[DirectionReport], at: Duration) {
        for report in reports {
            let sample = FlowSample::of_report(report);
            let direction = self.direction(&sample);
            if direction.history.samples().is_empty() {
                let interval = Interval {
                    at_ms: millis(at),
                    mos: hundredths(report.mos),
                    packets: report.quality.rtp,
                    lost: report.quality.lost,
                    jitter_us: report.quality.jitter_us.unwrap_or(0),
                };
                direction.history.push(interval, 1);
            }
        }
    }

    pub(super) fn views(&self) -> Vec<DirectionView> {
        self.0.iter().map(Direction::view).collect()
    }

    pub(super) fn recent(&self) -> Vec<RecentMos> {
        let recent = |direction: &Direction| RecentMos {
            from: cdr::side(direction.from),
            stream: direction.stream,
            samples: direction.history.recent(),
        };
        self.0.iter().map(recent).collect()
    }

    /// `every` is the time between two looks.
    pub(super) fn history(&self, every: Duration) -> QualityHistory {
        let strides = self.0.iter().map(|direction| direction.history.stride());
        let history = |direction: &Direction| DirectionHistory {
            from: cdr::side(direction.from),
            stream: direction.stream,
            samples: direction.history.samples(),
        };
        QualityHistory {
            interval_s: every.as_secs() * u64::from(strides.max().unwrap_or(1)),
            directions: self.0.iter().map(history).collect(),
        }
    }

    pub(super) fn directions(&self) -> usize {
        self.0.len()
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let of_each = |direction: &Direction| size_of::<Direction>() + direction.history.bytes();
        self.0.iter().map(of_each).sum()
    }
}

impl Direction {
    fn new(sample: &FlowSample) -> Direction {
        Direction {
            from: sample.from,
            stream: sample.stream,
            latest: FlowSample {
                quality: Quality::default(),
                packets: 0,
                bytes: 0,
                dropped: 0,
                ..*sample
            },
            at: Duration::ZERO,
            history: History::default(),
            alarm: Alarm::default(),
        }
    }

    /// What passed since the last look. Where counters have gone back, its flow is a new one (after a
    /// re-INVITE to another place), and all that it counts is since then.
    fn interval(&self, now: &FlowSample, at: Duration) -> Interval {
        let is_anew = now.quality.rtp < self.latest.quality.rtp;
        let before = if is_anew {
            Quality::default()
        } else {
            self.latest.quality
        };
        let passed = Quality {
            rtp: now.quality.rtp - before.rtp,
            // One that was skipped may have come since.
            lost: now.quality.lost.saturating_sub(before.lost),
            duplicated: now.quality.duplicated.saturating_sub(before.duplicated),
            ..now.quality
        };
        Interval {
            at_ms: millis(at),
            mos: hundredths(passed.mos(now.coding, now.round_trips_us)),
            packets: passed.rtp,
            lost: passed.lost,
            jitter_us: passed.jitter_us.unwrap_or(0),
        }
    }

    fn view(&self) -> DirectionView {
        let latest = &self.latest;
        DirectionView {
            from: cdr::side(self.from),
            stream: self.stream,
            path: latest.path.name(),
            packets: latest.packets,
            bytes: latest.bytes,
            dropped: latest.dropped,
            lost: latest.quality.lost,
            jitter_ms: latest.quality.jitter_us.map(cdr::in_ms),
            mos: latest.mos.map(Mos::as_f64),
            quality_low: self.alarm.is_low(),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// 0 for none: nobody can say less than 1.
fn hundredths(mos: Option<Mos>) -> u16 {
    mos.map_or(0, |mos| (mos.as_f64() * 100.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use media_core::quality::Codec;
    use media_core::report::MediaPath;
    use media_core::session::CallId;

    use super::*;

    fn sample(rtp: u64, lost: u64) -> FlowSample {
        FlowSample {
            call: CallId(1),
            from: Side::Callee,
            stream: 0,
            local: None,
            path: MediaPath::Xdp,
            packets: rtp,
            bytes: rtp * 172,
            dropped: 0,
            quality: Quality {
                rtp,
                lost,
                jitter_us: Some(1000),
                ..Quality::default()
            },
            coding: Codec::named("PCMU", 8000),
            mos: None,
            round_trips_us: [None; 2],
        }
    }

    #[test]
    fn ops_3_loss_that_begins_late_in_a_long_call_is_seen_at_once() {
        let mut quality = CallQuality::default();
        let mut turns = Vec::new();
        let (mut rtp, mut lost) = (0, 0);
        for look in 1..=120_u64 {
            rtp += 250;
            // An hour of good quality hides what is lost now, in a mean of the whole.
            if look > 100 {
                lost += 40;
            }
            let at = Duration::from_secs(5 * look);
            let turn = quality.observe(sample(rtp, lost), at, 720, 350);
            turns.extend(turn.map(|turn| (look, turn.change, turn.from)));
        }
        assert_eq!(turns, [(102, Change::Low, Side::Callee)]);
        assert!(quality.views()[0].quality_low);
        let history = quality.history(Duration::from_secs(5));
        assert_eq!(history.directions[0].samples.len(), 120);
        let last = history.directions[0].samples[119];
        assert_eq!((last.packets, last.loss_percent), (250, 13.79));
    }

    #[test]
    fn counters_that_begin_anew_are_a_new_flow() {
        let mut quality = CallQuality::default();
        quality.observe(sample(1000, 5), Duration::from_secs(5), 720, 350);
        quality.observe(sample(100, 0), Duration::from_secs(10), 720, 350);
        let samples = quality.history(Duration::from_secs(5)).directions[0]
            .samples
            .clone();
        let packets: Vec<_> = samples.iter().map(|sample| sample.packets).collect();
        assert_eq!(packets, [1000, 100]);
    }
}

//! What a codec costs before anything is lost, and how it bears loss (ITU-T G.113 Appendix I).

/// What a stream is coded in, as far as its quality goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Codec {
    pub coding: Coding,
    /// RTP clock rate, kHz; 0 if it is not known, or no whole number.
    pub clock_khz: u8,
}

/// A codec that something is published of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Not known, or nothing published for narrowband telephony (Opus, G.722, iLBC).
    #[default]
    Other,
    /// PCMU and PCMA.
    G711,
    G729,
    G7231,
    GsmEfr,
}

/// Impairment in the terms of the E-model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// `Ie`: without loss.
    pub equipment: f64,
    /// `Bpl`: the greater, the better loss is concealed.
    pub robustness: f64,
}

impl Codec {
    /// By encoding name (any case) and RTP clock rate, Hz, of `a=rtpmap` (RFC 8866 section 6.6).
    pub fn named(name: &str, clock_hz: u32) -> Codec {
        let clock_khz = match clock_hz % 1000 {
            0 => u8::try_from(clock_hz / 1000).unwrap_or(0),
            _ => 0,
        };
        Codec {
            coding: Coding::named(name),
            clock_khz,
        }
    }
}

impl Coding {
    fn named(name: &str) -> Coding {
        const NAMES: &[(&str, Coding)] = &[
            ("PCMU", Coding::G711),
            ("PCMA", Coding::G711),
            ("G729", Coding::G729),
            ("G723", Coding::G7231),
            ("GSM-EFR", Coding::GsmEfr),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Coding::Other, |(_, coding)| *coding)
    }

    /// The planning values of G.113 Appendix I: G.711 with the loss concealment of its Appendix I,
    /// G.729 as G.729A with silence suppression, G.723.1 at 6.3 kbit/s.
    ///
    /// `None` where the appendix has none: its scale ends with narrowband.
    pub fn impairment(self) -> Option<Impairment> {
        let (equipment, robustness) = match self {
            Coding::Other => return None,
            Coding::G711 => (0.0, 25.1),
            Coding::G729 => (11.0, 19.0),
            Coding::G7231 => (15.0, 16.1),
            Coding::GsmEfr => (5.0, 10.0),
        };
        Some(Impairment {
            equipment,
            robustness,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_known_by_name_and_clocks_by_whole_kilohertz() {
        for (name, hz, coding, khz) in [
            ("PCMU", 8000, Coding::G711, 8),
            ("pcma", 8000, Coding::G711, 8),
            ("G722", 8000, Coding::Other, 8),
            ("opus", 48_000, Coding::Other, 48),
            ("L16", 44_100, Coding::Other, 0),
            ("DVI4", 11_025, Coding::Other, 0),
            ("X", 1_000_000, Coding::Other, 0),
        ] {
            let expected = Codec {
                coding,
                clock_khz: khz,
            };
            assert_eq!(Codec::named(name, hz), expected, "{name}/{hz}");
        }
    }
}

//! The E-model (ITU-T G.107), with its default values for everything that a relay cannot see:
//! loudness, echo, noise, sidetone.

use super::codec::Impairment;

/// `Ro - Is` with the default values of G.107 (table 3): what is left of R without delay,
/// codec and loss.
const BASE: f64 = 93.2;
/// `mT` of G.107: delay below is not noticed, ms.
const UNNOTICED_DELAY_MS: f64 = 100.0;

/// An opinion of 1.00 (bad) to 4.50, as conversations are rated (MOS-CQE), in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mos(u16);

impl Mos {
    /// Of the rating `r`, by G.107 Annex B.
    pub fn of_rating(r: f64) -> Mos {
        let mos = if r <= 0.0 {
            1.0
        } else if r >= 100.0 {
            4.5
        } else {
            1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6
        };
        // The cubic dips below 1 near r = 0: nobody can say less.
        Mos((mos.clamp(1.0, 4.5) * 100.0).round() as u16)
    }

    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// The transmission rating factor R, 0 to 100 (G.107 section 7.1): `Ro - Is - Id - Ie,eff`.
///
/// `lost` is the share of packets that were lost (0 to 1), at random; `delay_ms` is one way, from
/// mouth to ear.
pub fn rating(codec: Impairment, lost: f64, delay_ms: f64) -> f64 {
    let r = BASE - delay_impairment(delay_ms) - equipment_impairment(codec, lost);
    r.clamp(0.0, 100.0)
}

/// `Idd` (G.107 section 7.4), with the sensitivity to delay of most conversations (`sT` = 1).
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= UNNOTICED_DELAY_MS {
        return 0.0;
    }
    let x = (delay_ms / UNNOTICED_DELAY_MS).log2();
    let term = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (term(x) - 3.0 * term(x / 3.0) + 2.0)
}

/// `Ie,eff` (G.107 section 7.5), for losses that come at random (`BurstR` = 1).
fn equipment_impairment(codec: Impairment, lost: f64) -> f64 {
    let percent = 100.0 * lost.clamp(0.0, 1.0);
    codec.equipment + (95.0 - codec.equipment) * percent / (percent + codec.robustness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::Coding;

    fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}: {found} is not {expected}"
        );
    }

    /// G.107 Annex B, table B.1: the lower limits of its categories; and the default connection.
    #[test]
    fn med_4_ratings_become_the_opinions_of_the_recommendation() {
        for (r, mos) in [
            (93.2, 4.41),
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
            (0.0, 1.0),
            (-5.0, 1.0),
            (100.0, 4.5),
            (130.0, 4.5),
        ] {
            near(Mos::of_rating(r).as_f64(), mos, 0.0101, &format!("R = {r}"));
        }
    }

    #[test]
    fn an_opinion_never_leaves_its_scale_and_never_falls_as_the_rating_grows_past_10() {
        let opinions: Vec<Mos> = (-20..=120).map(|r| Mos::of_rating(f64::from(r))).collect();
        assert!(opinions.iter().all(|mos| (100..=450).contains(&mos.0)));
        assert!(opinions[30..].is_sorted());
    }

    /// G.113 table I.2: G.729A with silence suppression, random loss in percent.
    #[test]
    fn loss_impairs_g729_as_published() {
        let g729 = Coding::G729.impairment().unwrap();
        for (percent, published) in [
            (0.0, 11.0),
            (0.5, 13.0),
            (1.0, 15.0),
            (1.5, 17.0),
            (2.0, 19.0),
            (3.0, 23.0),
            (4.0, 26.0),
            (8.0, 36.0),
            (16.0, 49.0),
        ] {
            let found = equipment_impairment(g729, percent / 100.0);
            near(found, published, 0.6, &format!("{percent} % lost"));
        }
    }

    /// Half a second each way costs about 30 points, a fifth of one about 3 (G.107, figure of Idd).
    #[test]
    fn delay_impairs_from_a_tenth_of_a_second() {
        for (ms, impairment) in [
            (0.0, 0.0),
            (100.0, 0.0),
            (200.0, 3.0),
            (400.0, 24.0),
            (500.0, 30.2),
        ] {
            near(delay_impairment(ms), impairment, 0.5, &format!("{ms} ms"));
        }
    }

    #[test]
    fn a_connection_without_fault_is_rated_as_the_default_one() {
        let g711 = Coding::G711.impairment().unwrap();
        near(rating(g711, 0.0, 50.0), 93.2, 1e-9, "R");
        assert_eq!(rating(g711, 1.0, 10_000.0), 0.0, "and the worst is 0");
    }
}

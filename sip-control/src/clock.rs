//! Wall-clock time of what happened, for people and records.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks: times told by it agree with each other, whatever is done to the
/// system's time meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    instant: Instant,
    system: SystemTime,
}

impl WallClock {
    pub(crate) fn now() -> WallClock {
        WallClock {
            instant: Instant::now(),
            system: SystemTime::now(),
        }
    }

    /// The wall-clock time of `then`, which is not in the future.
    pub(crate) fn at(&self, then: Instant) -> SystemTime {
        self.system
            .checked_sub(self.instant.saturating_duration_since(then))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// Now, in milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds: `2026-11-20T16:02:03.004Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since_epoch.as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millisecond = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// The days from 1970-01-01 to a Gregorian date; `None` if it lies before.
pub(crate) fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years begin in March, so that the leap day is the last.
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * DAYS_OF_400_YEARS + day_of_era).checked_sub(DAYS_BEFORE_1970)
}

/// The Gregorian date of a day since 1970-01-01, counted in years that begin in March so that the
/// leap day is the last.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// From 1 March of the year 0.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_says() {
        let cases = [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.001Z"),
            (951_868_799, 999, "2000-02-29T23:59:59.999Z"),
            (1_709_164_800, 0, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599, 0, "2024-12-31T23:59:59.000Z"),
            (1_795_190_523, 40, "2026-11-20T16:02:03.040Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
        ];
        for (seconds, milliseconds, written) in cases {
            let time =
                UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(milliseconds);
            assert_eq!(rfc3339(time), written);
        }
    }

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for days in (0..2_932_897).step_by(13) {
            let (year, month, day) = civil_date(days);
            assert_eq!(days_since_epoch(year, month, day), Some(days));
        }
        assert_eq!(days_since_epoch(1969, 12, 31), None);
    }

    #[test]
    fn an_instant_is_as_long_ago_on_the_wall_as_it_was() {
        let clock = WallClock::now();
        let earlier = clock.instant.checked_sub(Duration::from_secs(3)).unwrap();
        assert_eq!(
            clock.system.duration_since(clock.at(earlier)).unwrap(),
            Duration::from_secs(3)
        );
    }
}

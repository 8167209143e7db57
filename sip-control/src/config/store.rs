//! `[store]`: what outlives a restart, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::error::Fault;
use super::file::File;
use super::settings::at;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// What is kept for longer is kept for ever.
const LONGEST_DAYS: u64 = 36_500;
/// Below it there is no room for what the daemon needs itself.
const SMALLEST_MB: u64 = 16;
const LARGEST_MB: u64 = 100_000_000;

/// Where calls, events, registrations and the configuration that changes at run time are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// The file; `None`: nothing is kept.
    pub path: Option<PathBuf>,
    /// How long calls that have ended stay; [`Duration::MAX`] is for ever, as below.
    pub keep_calls: Duration,
    pub keep_events: Duration,
    pub keep_audit: Duration,
    /// Above it the oldest calls and events go; `None`: the disk is the limit.
    pub max_bytes: Option<u64>,
    /// Where backups go that are asked for over the network.
    pub backup_dir: Option<PathBuf>,
}

impl Default for StoreSettings {
    fn default() -> StoreSettings {
        StoreSettings {
            path: None,
            keep_calls: 90 * DAY,
            keep_events: 30 * DAY,
            keep_audit: 365 * DAY,
            max_bytes: None,
            backup_dir: None,
        }
    }
}

pub(super) fn resolve(file: &File) -> Result<StoreSettings, Fault> {
    let section = &file.store;
    let default = StoreSettings::default();
    let settings = StoreSettings {
        path: absolute("store.path", &section.path)?,
        keep_calls: keep("store.keep_calls", &section.keep_calls, default.keep_calls)?,
        keep_events: keep(
            "store.keep_events",
            &section.keep_events,
            default.keep_events,
        )?,
        keep_audit: keep("store.keep_audit", &section.keep_audit, default.keep_audit)?,
        max_bytes: section.max_mb.map(max_bytes).transpose()?,
        backup_dir: absolute("store.backup_dir", &section.backup_dir)?,
    };
    if settings.path.is_none() && settings != default {
        return Err(Fault::new(
            "store.path",
            "is missing, and the rest of [store] means nothing without it; expected the path of a \
             file, like \"/var/lib/trunkline/store.db\"",
        ));
    }
    Ok(settings)
}

/// Relative paths would depend on where the daemon was started.
fn absolute(key: &str, path: &Option<String>) -> Result<Option<PathBuf>, Fault> {
    match path.as_ref().map(PathBuf::from) {
        Some(path) if !path.is_absolute() => Err(Fault::new(
            key,
            format!(
                "{:?} is not an absolute path; expected one",
                path.display().to_string()
            ),
        )),
        path => Ok(path),
    }
}

fn keep(key: &str, text: &Option<String>, default: Duration) -> Result<Duration, Fault> {
    text.as_deref()
        .map_or(Ok(default), kept_for)
        .map_err(at(key))
}

/// `90d`, `12h`, `forever`.
fn kept_for(text: &str) -> Result<Duration, String> {
    let expected = || {
        format!(
            "{text:?} is not how long something is kept; expected a number and h or d, 1 hour to \
             {LONGEST_DAYS} days, like \"90d\", or \"forever\""
        )
    };
    if text == "forever" {
        return Ok(Duration::MAX);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(expected)?;
    let number: u32 = text[..digits].parse().map_err(|_| expected())?;
    let unit = match text[digits..].trim_start() {
        "h" => HOUR,
        "d" => DAY,
        _ => return Err(expected()),
    };
    let longest = Duration::from_secs(LONGEST_DAYS * DAY.as_secs());
    unit.checked_mul(number)
        .filter(|kept| (HOUR..=longest).contains(kept))
        .ok_or_else(expected)
}

fn max_bytes(mb: u64) -> Result<u64, Fault> {
    match (SMALLEST_MB..=LARGEST_MB).contains(&mb) {
        true => Ok(mb << 20),
        false => Err(Fault::new(
            "store.max_mb",
            format!("{mb} is out of range; expected {SMALLEST_MB} to {LARGEST_MB}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(section: &str) -> Result<StoreSettings, Fault> {
        let file: File = toml::from_str(&format!("[store]\n{section}")).unwrap();
        resolve(&file)
    }

    #[test]
    fn what_is_not_said_is_as_documented() {
        let settings = resolved("path = \"/s.db\"").unwrap();
        assert_eq!(settings.path, Some(PathBuf::from("/s.db")));
        assert_eq!(settings.keep_calls, 90 * DAY);
        assert_eq!(settings.keep_events, 30 * DAY);
        assert_eq!(settings.keep_audit, 365 * DAY);
        assert_eq!(settings.max_bytes, None);
        assert_eq!(resolved("").unwrap(), StoreSettings::default());
    }

    #[test]
    fn retention_is_read_in_hours_and_days() {
        let settings = resolved(
            "path = \"/s.db\"\nkeep_calls = \"36h\"\nkeep_events = \"7 d\"\n\
             keep_audit = \"forever\"\nmax_mb = 16\nbackup_dir = \"/b\"",
        )
        .unwrap();
        assert_eq!(settings.keep_calls, 36 * HOUR);
        assert_eq!(settings.keep_events, 7 * DAY);
        assert_eq!(settings.keep_audit, Duration::MAX);
        assert_eq!(settings.max_bytes, Some(16 << 20));
        assert_eq!(settings.backup_dir, Some(PathBuf::from("/b")));
    }

    #[test]
    fn bad_values_are_refused_by_the_name_of_their_field() {
        let cases = [
            ("path = \"s.db\"", "store.path"),
            ("keep_calls = \"90d\"\nmax_mb = 20", "store.path"),
            ("path = \"/s\"\nkeep_calls = \"0d\"", "store.keep_calls"),
            ("path = \"/s\"\nkeep_calls = \"90\"", "store.keep_calls"),
            ("path = \"/s\"\nkeep_events = \"59m\"", "store.keep_events"),
            ("path = \"/s\"\nkeep_events = \"-1d\"", "store.keep_events"),
            ("path = \"/s\"\nkeep_audit = \"36501d\"", "store.keep_audit"),
            (
                "path = \"/s\"\nkeep_audit = \"99999999999d\"",
                "store.keep_audit",
            ),
            ("path = \"/s\"\nkeep_audit = \"\"", "store.keep_audit"),
            ("path = \"/s\"\nmax_mb = 15", "store.max_mb"),
            (
                "path = \"/s\"\nmax_mb = 9223372036854775807",
                "store.max_mb",
            ),
            ("path = \"/s\"\nbackup_dir = \"b\"", "store.backup_dir"),
        ];
        for (section, key) in cases {
            let fault = resolved(section).unwrap_err();
            assert_eq!(fault.key, key, "{section}");
            assert!(fault.problem.contains("expected"), "{}", fault.problem);
        }
    }
}

//! A trunk's settings for what happens within a call: session timers, transfer.

use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::session::{LONGEST_INTERVAL, SHORTEST_INTERVAL, SessionPolicy};

use super::error::Fault;
use super::sections::TrunkSection;
use super::settings::{at, optional};
use super::value;

/// `session_timer`, `session_expires` and `min_se` of the trunk at `key`.
pub(super) fn session(key: &str, section: &TrunkSection) -> Result<SessionPolicy, Fault> {
    let default = SessionPolicy::default();
    let words = [("on", true), ("strip", false)];
    let timers = optional(&section.session_timer, |text| value::choice(text, &words))
        .map_err(at(format!("{key}.session_timer")))?
        .unwrap_or(default.timers);
    let min_se = interval(&format!("{key}.min_se"), &section.min_se)?.unwrap_or(default.min_se);
    let expires = interval(&format!("{key}.session_expires"), &section.session_expires)?;
    let given = [
        ("session_expires", &section.session_expires),
        ("min_se", &section.min_se),
    ];
    if let Some((field, _)) = given.iter().find(|(_, value)| !timers && value.is_some()) {
        let problem = "is only for session_timer = \"on\"";
        return Err(Fault::new(format!("{key}.{field}"), problem));
    }
    let expires = expires.unwrap_or(default.expires.max(min_se));
    if expires < min_se {
        let problem = format!("{expires} s is below min_se; expected {min_se} s or more");
        return Err(Fault::new(format!("{key}.session_expires"), problem));
    }
    Ok(SessionPolicy {
        timers,
        expires,
        min_se,
    })
}

/// `refer` of the trunk at `key`.
pub(super) fn refer(key: &str, section: &TrunkSection) -> Result<ReferMode, Fault> {
    let words = [
        ("off", ReferMode::Off),
        ("pass", ReferMode::Pass),
        ("local", ReferMode::Local),
    ];
    let mode = optional(&section.refer, |text| value::choice(text, &words))
        .map_err(at(format!("{key}.refer")))?;
    Ok(mode.unwrap_or_default())
}

fn interval(key: &str, text: &Option<String>) -> Result<Option<u32>, Fault> {
    let Some(duration) = optional(text, value::duration).map_err(at(key))? else {
        return Ok(None);
    };
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&seconds) {
        let problem = format!(
            "{seconds} s is out of range; expected {SHORTEST_INTERVAL}-{LONGEST_INTERVAL} s"
        );
        return Err(Fault::new(key, problem));
    }
    Ok(Some(seconds))
}

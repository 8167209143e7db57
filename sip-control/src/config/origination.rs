//! Where calls to a trunk go: `destination` or `[[trunks.origination]]`, and what goes with them
//! (TRK-1, TRK-3, TRK-5).

use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

use sip_core::transport::Transport;
use sip_core::trunk::origination::MOST_URIS;
use sip_core::trunk::{EarlyDialogs, Origination, OriginationUri, Probing, SecureMode, TargetUri};

use super::error::Fault;
use super::sections::{OriginationSection, TrunkSection};
use super::settings::{at, optional};
use super::value;

/// TRK-5.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);
const PROBE_INTERVALS: RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(3600);
const PROBE_FAILURES: u32 = 3;
const MOST_PROBE_FAILURES: u32 = 100;
/// RFC 3261 section 17.1.1.2: no transaction waits longer.
const NO_RESPONSES: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(32);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);

/// Reads one trunk's section; `key` is its place.
pub(super) fn resolve(
    key: &str,
    section: &TrunkSection,
    mode: SecureMode,
    warnings: &mut Vec<String>,
) -> Result<Origination, Fault> {
    let reader = Reader { key, section, mode };
    let defaults = Origination::default();
    Ok(Origination {
        uris: reader.uris(warnings)?,
        fallback: reader.fallback(warnings)?,
        no_response: reader
            .duration("no_response", &section.no_response, &NO_RESPONSES)?
            .unwrap_or(defaults.no_response),
        backoff: reader
            .duration(
                "backoff",
                &section.backoff,
                &(Duration::ZERO..=LONGEST_BACKOFF),
            )?
            .unwrap_or(defaults.backoff),
        probing: reader.probing()?,
        early_dialogs: reader.early_dialogs()?,
    })
}

struct Reader<'a> {
    key: &'a str,
    section: &'a TrunkSection,
    mode: SecureMode,
}

impl Reader<'_> {
    fn uris(&self, warnings: &mut Vec<String>) -> Result<Vec<OriginationUri>, Fault> {
        let sections = &self.section.origination;
        match &self.section.destination {
            Some(_) if !sections.is_empty() => {
                let problem = "is given as well as origination; expected one of them";
                Err(Fault::new(self.at("destination"), problem))
            }
            Some(text) => {
                let uri = self.target(self.at("destination"), text, warnings)?;
                Ok(Origination::to(uri).uris)
            }
            None if sections.len() > MOST_URIS => {
                let problem = format!(
                    "has {} entries; expected at most {MOST_URIS}",
                    sections.len()
                );
                Err(Fault::new(self.at("origination"), problem))
            }
            None => {
                let mut uris: Vec<OriginationUri> = Vec::new();
                for (place, section) in sections.iter().enumerate() {
                    let key = self.at(&format!("origination[{place}]"));
                    let uri = self.uri(&key, section, warnings)?;
                    if uris.iter().any(|other| other.uri == uri.uri) {
                        let problem = format!("{:?} is given twice", section.uri);
                        return Err(Fault::new(format!("{key}.uri"), problem));
                    }
                    uris.push(uri);
                }
                Ok(uris)
            }
        }
    }

    fn uri(
        &self,
        key: &str,
        section: &OriginationSection,
        warnings: &mut Vec<String>,
    ) -> Result<OriginationUri, Fault> {
        let out_of_range = |field: &str, value: i64, range: &str| {
            let problem = format!("{value} is out of range; expected {range}");
            Fault::new(format!("{key}.{field}"), problem)
        };
        let priority = section.priority.unwrap_or(0);
        let weight = section.weight.unwrap_or(1);
        Ok(OriginationUri {
            uri: self.target(format!("{key}.uri"), &section.uri, warnings)?,
            priority: u16::try_from(priority)
                .map_err(|_| out_of_range("priority", priority, "0-65535"))?,
            weight: u16::try_from(weight)
                .ok()
                .and_then(NonZeroU16::new)
                .ok_or_else(|| out_of_range("weight", weight, "1-65535"))?,
            enabled: section.enabled.unwrap_or(true),
        })
    }

    fn fallback(&self, warnings: &mut Vec<String>) -> Result<Option<TargetUri>, Fault> {
        let text = self.section.fallback.as_ref();
        text.map(|text| self.target(self.at("fallback"), text, warnings))
            .transpose()
    }

    /// Scheme, mode and transport settle together: a secure trunk is reached by TLS whatever its
    /// URI says (SEC-2, SEC-5), and one that is not secure is not by accident.
    fn target(
        &self,
        key: String,
        text: &str,
        warnings: &mut Vec<String>,
    ) -> Result<TargetUri, Fault> {
        let uri = value::destination(text).map_err(at(key.as_str()))?;
        let asked = if uri.sips {
            Some(Transport::Tls)
        } else {
            uri.transport
        };
        let transport = match self.mode {
            SecureMode::Disabled if asked == Some(Transport::Tls) => {
                let problem = format!(
                    "{text:?} is TLS, but the trunk is not secure; expected secure = \"tls\" or \"srtp\""
                );
                return Err(Fault::new(key, problem));
            }
            SecureMode::Disabled => asked,
            SecureMode::Tls | SecureMode::Srtp => Some(Transport::Tls),
        };
        // `sips:h;transport=udp` contradicts itself as much as a secure trunk does.
        if let Some(written) = uri.transport.filter(|written| Some(*written) != transport) {
            warnings.push(format!(
                "{key} ({}): transport={} is overridden by tls, as the trunk is secure",
                self.section.name,
                written.uri_token()
            ));
        }
        Ok(TargetUri {
            host: uri.host,
            port: uri.port,
            transport,
        })
    }

    fn probing(&self) -> Result<Option<Probing>, Fault> {
        let failures = self.section.probe_failures.unwrap_or(PROBE_FAILURES);
        if !(1..=MOST_PROBE_FAILURES).contains(&failures) {
            let problem = format!("{failures} is out of range; expected 1-{MOST_PROBE_FAILURES}");
            return Err(Fault::new(self.at("probe_failures"), problem));
        }
        let interval = match self.section.probe.as_deref() {
            Some(word) if word.eq_ignore_ascii_case("off") => return Ok(None),
            Some(_) => self
                .duration("probe", &self.section.probe, &PROBE_INTERVALS)
                .map_err(|fault| Fault::new(fault.key, format!("{}, or \"off\"", fault.problem)))?,
            None => None,
        };
        Ok(Some(Probing {
            interval: interval.unwrap_or(PROBE_INTERVAL),
            failures,
        }))
    }

    fn early_dialogs(&self) -> Result<EarlyDialogs, Fault> {
        let words = [
            ("collapse", EarlyDialogs::Collapse),
            ("pass", EarlyDialogs::Pass),
        ];
        let chosen = optional(&self.section.early_dialogs, |text| {
            value::choice(text, &words)
        });
        Ok(chosen
            .map_err(at(self.at("early_dialogs")))?
            .unwrap_or_default())
    }

    fn duration(
        &self,
        field: &str,
        text: &Option<String>,
        range: &RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, Fault> {
        let within = |text: &str| {
            let duration = value::duration(text)?;
            match range.contains(&duration) {
                true => Ok(duration),
                false => Err(format!(
                    "{text:?} is out of range; expected {} to {}",
                    shown(*range.start()),
                    shown(*range.end())
                )),
            }
        };
        optional(text, within).map_err(at(self.at(field)))
    }

    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.key)
    }
}

/// As it would be written.
fn shown(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

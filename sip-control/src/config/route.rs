//! `[[routes]]`: what becomes of a call, by its source and its numbers (TRK-7).

use regex::Regex;
use sip_core::registrar::Aor;
use sip_core::trunk::{Digits, NumberMatch, Route, RouteTo, TrunkId};

use super::error::Fault;
use super::file::File;
use super::sections::RouteSection;
use super::{TrunkConfig, accounts, find_name, id, value};

pub(super) fn resolve(file: &File, trunks: &[TrunkConfig]) -> Result<Vec<Route>, Fault> {
    let one = |(index, section): (usize, &RouteSection)| {
        let key = format!("routes[{index}]");
        let from = match &section.from {
            Some(name) => Some(trunk(&format!("{key}.from"), name, trunks)?),
            None => None,
        };
        let matching = |field: &str, prefix: &str, pattern: &Option<String>| -> Result<_, Fault> {
            let pattern = pattern
                .as_deref()
                .map(|pattern| regex(&format!("{key}.{field}"), pattern));
            Ok(NumberMatch {
                prefix: prefix.to_owned(),
                pattern: pattern.transpose()?,
            })
        };
        let digits = |strip, prepend: &str| Digits {
            strip,
            prepend: prepend.to_owned(),
        };
        Ok(Route {
            from,
            called: matching("pattern", &section.prefix, &section.pattern)?,
            caller: matching(
                "caller_pattern",
                &section.caller_prefix,
                &section.caller_pattern,
            )?,
            to: destination(&key, section, trunks)?,
            called_digits: digits(section.strip, &section.prepend),
            caller_digits: digits(section.caller_strip, &section.caller_prepend),
        })
    };
    file.routes.iter().enumerate().map(one).collect()
}

fn destination(
    key: &str,
    section: &RouteSection,
    trunks: &[TrunkConfig],
) -> Result<RouteTo, Fault> {
    match (&section.to, section.reject) {
        (Some(aor), None) if accounts::is_aor(aor) => account(key, aor, trunks),
        (Some(name), None) => {
            let to = trunk(&format!("{key}.to"), name, trunks)?;
            let trunk = &trunks[usize::from(to.0)].trunk;
            // One whose targets are all disabled has them still: calls are refused until one is not.
            let has_targets =
                trunk.origination.first().is_some() || trunk.origination.fallback.is_some();
            if !has_targets && trunk.accounts.is_empty() {
                let problem = format!(
                    "trunk {name:?} has no destination and no accounts; expected one that calls can go to"
                );
                return Err(Fault::new(format!("{key}.to"), problem));
            }
            Ok(RouteTo::Trunk(to))
        }
        (None, Some(status)) if (400..700).contains(&status) => Ok(RouteTo::Reject(status)),
        (None, Some(status)) => Err(Fault::new(
            format!("{key}.reject"),
            format!("{status} refuses no call; expected a SIP status from 400 to 699"),
        )),
        (Some(_), Some(_)) => Err(Fault::new(
            format!("{key}.reject"),
            "stands beside to; expected one of the two",
        )),
        (None, None) => Err(Fault::new(
            format!("{key}.to"),
            "missing; expected the name of a trunk, the aor of an account, or reject = STATUS",
        )),
    }
}

/// To a registered address-of-record.
fn account(key: &str, text: &str, trunks: &[TrunkConfig]) -> Result<RouteTo, Fault> {
    let fault = |problem| Fault::new(format!("{key}.to"), problem);
    let (user, domain) = accounts::aor(text).map_err(fault)?;
    let aor = Aor::new(&user, &domain);
    let has_it = |trunk: &TrunkConfig| {
        let mut accounts = trunk.trunk.accounts.iter();
        accounts.any(|account| account.aor == aor)
    };
    match trunks.iter().position(has_it) {
        Some(place) => Ok(RouteTo::Account(TrunkId(id("trunks", place)?), aor)),
        None => Err(fault(format!(
            "there is no account {text:?}; expected the aor of one of [[accounts]]"
        ))),
    }
}

fn trunk(key: &str, name: &str, trunks: &[TrunkConfig]) -> Result<TrunkId, Fault> {
    let names = trunks.iter().map(|trunk| trunk.trunk.name.as_str());
    let place = find_name(key.to_owned(), "trunk", name, names)?;
    Ok(TrunkId(id("trunks", place)?))
}

fn regex(key: &str, pattern: &str) -> Result<Regex, Fault> {
    value::regex(pattern).map_err(|problem| Fault::new(key, problem))
}

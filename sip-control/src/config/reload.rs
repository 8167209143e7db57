//! What happens to trunks and routes when the file is read again.

use sip_core::trunk::{Origination, Route, RouteTo, TrunkId};

use super::TrunkConfig;
use super::error::Fault;
use super::file::{ApiSection, File, ListenerSection};

/// [`TrunkId`] has 16 bits.
const MOST_IDS: usize = 1 << 16;

/// The section that has changed although it is fixed at start.
pub(super) fn fixed_difference(old: &File, new: &File) -> Option<&'static str> {
    [
        ("realms", old.realms != new.realms),
        ("listeners", sockets(old) != sockets(new)),
        ("media", old.media != new.media),
        ("limits", old.limits != new.limits),
        ("cdr", old.cdr != new.cdr),
        ("control", old.control != new.control),
        ("api", port(old) != port(new)),
        ("dns", old.dns != new.dns),
        ("store", old.store != new.store),
    ]
    .into_iter()
    .find_map(|(section, differs)| differs.then_some(section))
}

/// The listeners without what they prove themselves with and ask of clients: that may change while
/// they run.
fn sockets(file: &File) -> Vec<ListenerSection> {
    let socket = |listener: &ListenerSection| ListenerSection {
        certificate: None,
        key: None,
        certificates: Vec::new(),
        client_ca: None,
        client_auth: None,
        ..listener.clone()
    };
    file.listeners.iter().map(socket).collect()
}

/// The API without what it proves itself with.
fn port(file: &File) -> ApiSection {
    ApiSection {
        certificate: None,
        key: None,
        ..file.api.clone()
    }
}

/// Gives the trunks of `new` the places that those of the same name have in `old`.
///
/// A trunk that is gone keeps its place, so that no id changes its meaning, but nobody may
/// call by it and it leads nowhere.
///
/// # Errors
/// More names of trunks have come and gone than there are ids.
pub(super) fn keep_ids(
    old: &[TrunkConfig],
    new: &mut Vec<TrunkConfig>,
    routes: &mut [Route],
) -> Result<(), Fault> {
    let mut ordered: Vec<TrunkConfig> = old.iter().map(retired).collect();
    let mut places = Vec::with_capacity(new.len());
    for trunk in new.drain(..) {
        let same = |kept: &TrunkConfig| kept.trunk.name.eq_ignore_ascii_case(&trunk.trunk.name);
        let place = ordered.iter().position(same).unwrap_or(ordered.len());
        places.push(place);
        match ordered.get_mut(place) {
            Some(kept) => *kept = trunk,
            None => ordered.push(trunk),
        }
    }
    if ordered.len() > MOST_IDS {
        let problem = "more names than 65536 were used since the start; needs a restart";
        return Err(Fault::new("trunks", problem));
    }
    let moved = |id: TrunkId| {
        let place = places.get(usize::from(id.0)).copied().unwrap_or_default();
        TrunkId(u16::try_from(place).unwrap_or(u16::MAX))
    };
    for route in routes {
        route.from = route.from.map(moved);
        if let RouteTo::Trunk(to) | RouteTo::Account(to, _) = &mut route.to {
            *to = moved(*to);
        }
    }
    *new = ordered;
    Ok(())
}

fn retired(trunk: &TrunkConfig) -> TrunkConfig {
    let mut retired = trunk.clone();
    retired.is_retired = true;
    retired.trunk.acl.clear();
    retired.trunk.credentials = None;
    retired.trunk.auth = None;
    retired.trunk.register = None;
    retired.trunk.accounts.clear();
    retired.trunk.domains.clear();
    retired.trunk.origination = Origination::default();
    retired
}

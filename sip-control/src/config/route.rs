//! `[[routes]]`: which trunk a call goes to.

use sip_core::trunk::{Route, TrunkId};

use super::error::Fault;
use super::file::{File, RouteSection};
use super::{TrunkConfig, find_name, id};

pub(super) fn resolve(file: &File, trunks: &[TrunkConfig]) -> Result<Vec<Route>, Fault> {
    let find = |key: String, name: &str| {
        let names = trunks.iter().map(|trunk| trunk.trunk.name.as_str());
        find_name(key, "trunk", name, names)
    };
    let one = |(index, section): (usize, &RouteSection)| {
        let key = format!("routes[{index}]");
        let from = match &section.from {
            Some(name) => Some(TrunkId(id("trunks", find(format!("{key}.from"), name)?)?)),
            None => None,
        };
        let to = find(format!("{key}.to"), &section.to)?;
        if trunks[to].trunk.destination.is_none() {
            let problem = format!(
                "trunk {:?} has no destination; expected one that calls can go to",
                section.to
            );
            return Err(Fault::new(format!("{key}.to"), problem));
        }
        Ok(Route {
            from,
            prefix: section.prefix.clone(),
            to: TrunkId(id("trunks", to)?),
        })
    };
    file.routes.iter().enumerate().map(one).collect()
}

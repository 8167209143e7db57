//! `[[realms]]`: the networks that we face, with their media addresses and ports (TRK-8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use sip_core::trunk::AdvertisedMedia;

use super::error::Fault;
use super::file::{File, RealmSection};
use super::{check_names, id, value};

/// A network that we face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    pub name: String,
    /// Where media arrives; one address of either family, at least one.
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    /// What these addresses are called in SDP.
    pub advertised: AdvertisedMedia,
    /// Media ports.
    pub ports: RangeInclusive<u16>,
}

impl Realm {
    /// Its media addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.ipv4
            .map(IpAddr::V4)
            .into_iter()
            .chain(self.ipv6.map(IpAddr::V6))
    }

    fn shares_ports_with(&self, other: &Realm) -> Option<IpAddr> {
        let overlap =
            self.ports.start() <= other.ports.end() && other.ports.start() <= self.ports.end();
        self.addresses()
            .find(|address| overlap && other.addresses().any(|theirs| theirs == *address))
    }
}

pub(super) fn resolve(file: &File) -> Result<Vec<Realm>, Fault> {
    if file.realms.is_empty() {
        return Err(Fault::new(
            "realms",
            "missing; expected at least one [[realms]] section",
        ));
    }
    check_names(
        "realms",
        file.realms.iter().map(|realm| realm.name.as_str()),
    )?;
    let mut realms: Vec<Realm> = Vec::new();
    for (index, section) in file.realms.iter().enumerate() {
        id("realms", index)?;
        let key = format!("realms[{index}]");
        let realm = one(&key, section)?;
        for other in &realms {
            if let Some(address) = realm.shares_ports_with(other) {
                let problem = format!(
                    "overlaps the ports of realm {:?} at {address}; expected ranges of their own",
                    other.name
                );
                return Err(Fault::new(format!("{key}.ports"), problem));
            }
        }
        realms.push(realm);
    }
    Ok(realms)
}

/// One of each family at most.
fn addresses(key: &str, texts: &[String]) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>), Fault> {
    let (mut ipv4, mut ipv6) = (None, None);
    for (place, text) in texts.iter().enumerate() {
        let fault = |problem: String| Fault::new(format!("{key}[{place}]"), problem);
        let address: IpAddr = text
            .parse()
            .map_err(|_| fault(format!("{text:?} is not an address; expected IPv4 or IPv6")))?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(fault(format!(
                "{text:?} cannot be sent to; expected an address of this host"
            )));
        }
        let taken = match address {
            IpAddr::V4(v4) => ipv4.replace(v4).is_some(),
            IpAddr::V6(v6) => ipv6.replace(v6).is_some(),
        };
        if taken {
            return Err(fault(
                "a second address of that family; expected one IPv4 and one IPv6 at most"
                    .to_owned(),
            ));
        }
    }
    Ok((ipv4, ipv6))
}

fn one(key: &str, section: &RealmSection) -> Result<Realm, Fault> {
    let ports = value::port_range(&section.ports)
        .map_err(|problem| Fault::new(format!("{key}.ports"), problem))?;
    let mut realm = Realm {
        name: section.name.clone(),
        ipv4: None,
        ipv6: None,
        advertised: AdvertisedMedia::default(),
        ports,
    };
    (realm.ipv4, realm.ipv6) =
        addresses(&format!("{key}.media_addresses"), &section.media_addresses)?;
    let advertised_key = format!("{key}.advertised_media_addresses");
    let (ipv4, ipv6) = addresses(&advertised_key, &section.advertised_media_addresses)?;
    realm.advertised = AdvertisedMedia { ipv4, ipv6 };
    if (ipv4.is_some() && realm.ipv4.is_none()) || (ipv6.is_some() && realm.ipv6.is_none()) {
        let problem = "has an address of a family that media_addresses has not";
        return Err(Fault::new(advertised_key, problem));
    }
    if section.media_addresses.is_empty() {
        return Err(Fault::new(
            format!("{key}.media_addresses"),
            "is empty; expected an address of this host",
        ));
    }
    Ok(realm)
}

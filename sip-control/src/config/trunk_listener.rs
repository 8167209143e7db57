//! The listener of a trunk, which its requests leave from, and that its targets can be reached.

use media_core::ports::RealmId;
use sip_core::transport::{Host, ListenerId, Transport};
use sip_core::trunk::{Origination, SecureMode, TargetUri};

use super::error::Fault;
use super::trunk::Resolver;
use super::{ListenerConfig, find_name, id};

impl Resolver<'_> {
    /// The listener that requests leave from: the one named, else the first that fits the first
    /// target.
    pub(super) fn listener(
        &self,
        mode: SecureMode,
        origination: &Origination,
    ) -> Result<(ListenerId, RealmId), Fault> {
        let realm = self.realm()?;
        let destination = origination.first();
        let needed = needed_transports(mode, destination);
        let (index, chosen) = match &self.section.listener {
            Some(name) => {
                let names = self.listeners.iter().map(|listener| listener.name.as_str());
                let index = find_name(self.at("listener"), "listener", name, names)?;
                (index, &self.listeners[index])
            }
            None => self
                .first_listener(&needed, realm, destination)
                .ok_or_else(|| self.no_listener(mode, needed.first().copied(), realm))?,
        };
        if !needed.is_empty() && !needed.contains(&chosen.listener.transport) {
            let problem = format!(
                "listener {:?} is not {}",
                chosen.name,
                needed[0].uri_token()
            );
            return Err(Fault::new(
                self.at("listener"),
                format!("{problem}; expected one that fits the trunk"),
            ));
        }
        if let Some(realm) = realm.filter(|realm| *realm != chosen.listener.realm) {
            let name = &self.realms[usize::from(realm.0)].name;
            let problem = format!("listener {:?} is not in realm {name:?}", chosen.name);
            return Err(Fault::new(
                self.at("listener"),
                format!("{problem}; expected one that is"),
            ));
        }
        if !reaches(chosen, destination) {
            let problem = format!(
                "listener {:?} is of another address family than the destination",
                chosen.name
            );
            return Err(Fault::new(self.at("listener"), problem));
        }
        Ok((
            ListenerId(id("listeners", index)?),
            realm.unwrap_or(chosen.listener.realm),
        ))
    }

    /// The first listener of the preferred transport that has any.
    fn first_listener(
        &self,
        needed: &[Transport],
        realm: Option<RealmId>,
        destination: Option<&TargetUri>,
    ) -> Option<(usize, &ListenerConfig)> {
        let fits = |listener: &ListenerConfig, transport: Option<Transport>| {
            transport.is_none_or(|transport| transport == listener.listener.transport)
                && realm.is_none_or(|realm| realm == listener.listener.realm)
                && reaches(listener, destination)
        };
        let find = |transport| {
            let mut listeners = self.listeners.iter().enumerate();
            listeners.find(|(_, listener)| fits(listener, transport))
        };
        match needed {
            [] => find(None),
            needed => needed.iter().find_map(|transport| find(Some(*transport))),
        }
    }

    /// Each further target, too, must be one that a listener of the realm can send to.
    pub(super) fn check_listeners(
        &self,
        origination: &Origination,
        realm: RealmId,
    ) -> Result<(), Fault> {
        let uris = origination.uris.iter().enumerate().skip(1);
        let uris = uris.map(|(place, uri)| (format!("origination[{place}].uri"), &uri.uri));
        let fallback = origination.fallback.iter();
        for (field, target) in uris.chain(fallback.map(|uri| ("fallback".to_owned(), uri))) {
            let transports = match target.transport {
                Some(transport) => vec![transport],
                None => ANY_PLAIN.to_vec(),
            };
            let can_send = |listener: &&ListenerConfig| {
                listener.listener.realm == realm
                    && transports.contains(&listener.listener.transport)
                    && reaches(listener, Some(target))
            };
            if !self.listeners.iter().any(|listener| can_send(&listener)) {
                let transport = transports[0].uri_token();
                let problem = format!(
                    "no listener of the trunk's realm fits; expected one with transport = \"{transport}\""
                );
                return Err(Fault::new(self.at(&field), problem));
            }
        }
        Ok(())
    }

    fn realm(&self) -> Result<Option<RealmId>, Fault> {
        let Some(name) = &self.section.realm else {
            return Ok(None);
        };
        let names = self.realms.iter().map(|realm| realm.name.as_str());
        let index = find_name(self.at("realm"), "realm", name, names)?;
        Ok(Some(RealmId(id("realms", index)?)))
    }

    fn no_listener(
        &self,
        mode: SecureMode,
        needed: Option<Transport>,
        realm: Option<RealmId>,
    ) -> Fault {
        let transport = needed.map_or("any", Transport::uri_token);
        let realm = realm.and_then(|realm| self.realms.get(usize::from(realm.0)));
        let place = realm
            .map(|realm| format!(" in realm {:?}", realm.name))
            .unwrap_or_default();
        let problem = match mode {
            SecureMode::Disabled => {
                format!("no listener fits; expected one with transport = {transport:?}{place}")
            }
            _ => format!(
                "a secure trunk needs a TLS listener; expected one with transport = \"tls\"{place}"
            ),
        };
        let field = if mode == SecureMode::Disabled {
            "destination"
        } else {
            "secure"
        };
        Fault::new(self.at(field), problem)
    }
}

/// What a target that names no transport may be spoken to by, on a trunk without TLS.
const ANY_PLAIN: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// The transports that the trunk's listener may have, the preferred one first; empty: any.
fn needed_transports(mode: SecureMode, destination: Option<&TargetUri>) -> Vec<Transport> {
    match (mode, destination) {
        (SecureMode::Tls | SecureMode::Srtp, _) => vec![Transport::Tls],
        (SecureMode::Disabled, None) => Vec::new(),
        (SecureMode::Disabled, Some(target)) => match target.transport {
            Some(transport) => vec![transport],
            None => ANY_PLAIN.to_vec(),
        },
    }
}

/// A socket of one address family cannot send to the other.
fn reaches(listener: &ListenerConfig, destination: Option<&TargetUri>) -> bool {
    match destination.map(|destination| &destination.host) {
        Some(Host::Address(address)) => address.is_ipv4() == listener.listener.address.is_ipv4(),
        _ => true,
    }
}

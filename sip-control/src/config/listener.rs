//! `[[listeners]]`: where signalling arrives.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use media_core::ports::RealmId;
use sip_core::transport::{Host, Listener, Transport};

use super::error::Fault;
use super::file::{File, ListenerSection};
use super::realm::Realm;
use super::settings::{TlsSettings, at};
use super::{ListenerConfig, certificates, check_names, find_name, id, value};
use crate::transport::tls;

pub(super) fn resolve(
    file: &File,
    realms: &[Realm],
    tls: &TlsSettings,
) -> Result<Vec<ListenerConfig>, Fault> {
    if file.listeners.is_empty() {
        return Err(Fault::new(
            "listeners",
            "missing; expected at least one [[listeners]] section",
        ));
    }
    check_names(
        "listeners",
        file.listeners.iter().map(|listener| listener.name.as_str()),
    )?;
    let mut listeners: Vec<ListenerConfig> = Vec::new();
    for (index, section) in file.listeners.iter().enumerate() {
        id("listeners", index)?;
        let key = format!("listeners[{index}]");
        let listener = one(&key, section, realms)?;
        check_clashes(&key, &listener, &listeners, realms)?;
        let tls = server_tls(&key, section, listener.transport, tls)?;
        listeners.push(ListenerConfig {
            name: section.name.clone(),
            listener,
            tls,
        });
    }
    Ok(listeners)
}

fn one(key: &str, section: &ListenerSection, realms: &[Realm]) -> Result<Listener, Fault> {
    let transport = value::transport(&section.transport).map_err(at(format!("{key}.transport")))?;
    let realm_names = realms.iter().map(|realm| realm.name.as_str());
    let realm = find_name(format!("{key}.realm"), "realm", &section.realm, realm_names)?;
    let address =
        socket_address(&section.address, transport).map_err(at(format!("{key}.address")))?;
    let (advertised_host, advertised_port) = match &section.advertised {
        Some(text) => value::host_and_port(text).map_err(at(format!("{key}.advertised")))?,
        None => (Host::Address(address.ip()), None),
    };
    if matches!(advertised_host, Host::Address(ip) if ip.is_unspecified()) {
        let problem = "missing; a listener on every address needs the host that peers reach it by";
        return Err(Fault::new(format!("{key}.advertised"), problem));
    }
    Ok(Listener {
        transport,
        address,
        advertised_host,
        advertised_port: advertised_port.unwrap_or(address.port()),
        realm: RealmId(id("realms", realm)?),
    })
}

fn socket_address(text: &str, transport: Transport) -> Result<SocketAddr, String> {
    let expected = || format!("{text:?} is not an address of this host; expected ADDRESS[:PORT]");
    let (host, port) = value::host_and_port(text).map_err(|_| expected())?;
    match host {
        Host::Address(ip) => Ok(SocketAddr::new(
            ip,
            port.unwrap_or(transport.default_port()),
        )),
        Host::Name(_) => Err(expected()),
    }
}

/// Two listeners on one port, or signalling on a media port, would each lose the other's packets.
fn check_clashes(
    key: &str,
    new: &Listener,
    others: &[ListenerConfig],
    realms: &[Realm],
) -> Result<(), Fault> {
    let is_udp = |listener: &Listener| listener.transport == Transport::Udp;
    for other in others {
        if other.listener.address == new.address && is_udp(&other.listener) == is_udp(new) {
            let problem = format!(
                "{} is already the address of listener {:?}",
                new.address, other.name
            );
            return Err(Fault::new(format!("{key}.address"), problem));
        }
    }
    let port_is_media = |realm: &&Realm| {
        let covers = |address| new.address.ip().is_unspecified() || new.address.ip() == address;
        realm.ports.contains(&new.address.port()) && realm.addresses().any(covers)
    };
    match realms.iter().find(port_is_media) {
        Some(realm) if is_udp(new) => {
            let problem = format!(
                "port {} is a media port of realm {:?}",
                new.address.port(),
                realm.name
            );
            Err(Fault::new(
                format!("{key}.address"),
                format!("{problem}; expected one outside {:?}", realm.ports),
            ))
        }
        _ => Ok(()),
    }
}

fn server_tls(
    key: &str,
    section: &ListenerSection,
    transport: Transport,
    settings: &TlsSettings,
) -> Result<Option<Arc<rustls::ServerConfig>>, Fault> {
    let certificate_key = format!("{key}.certificate");
    let key_key = format!("{key}.key");
    let given = [&section.certificate, &section.key, &section.client_ca];
    if transport != Transport::Tls {
        return match ["certificate", "key", "client_ca"]
            .iter()
            .zip(given)
            .find(|(_, value)| value.is_some())
        {
            None => Ok(None),
            Some((name, _)) => Err(Fault::new(
                format!("{key}.{name}"),
                "is only for transport = \"tls\"",
            )),
        };
    }
    let missing = |key: &str| Fault::new(key, "missing; a TLS listener needs a PEM file");
    let certificate = section
        .certificate
        .as_ref()
        .ok_or_else(|| missing(&certificate_key))?;
    let private = section.key.as_ref().ok_or_else(|| missing(&key_key))?;
    let certified = certificates::certified_key(
        &certificate_key,
        Path::new(certificate),
        &key_key,
        Path::new(private),
    )?;
    let client_roots = match &section.client_ca {
        Some(path) => Some(certificates::roots(
            &format!("{key}.client_ca"),
            Path::new(path),
        )?),
        None => None,
    };
    tls::server_config(certified, client_roots, settings.only_tls13)
        .map(Some)
        .map_err(|error| Fault::new(certificate_key, error.to_string()))
}

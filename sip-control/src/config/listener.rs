//! `[[listeners]]`: where signalling arrives.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use media_core::ports::RealmId;
use sip_core::transport::{Host, Listener, Transport};

use super::error::Fault;
use super::file::{File, ListenerSection};
use super::realm::Realm;
use super::settings::{TlsSettings, at, optional};
use super::{ListenerConfig, certificates, check_names, find_name, id, value};
use crate::transport::tls::{self, CertificateFacts, ClientAuth, ServerCertificates};

pub(super) fn resolve(
    file: &File,
    realms: &[Realm],
    tls: &TlsSettings,
    warnings: &mut Vec<String>,
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
        let server = ServerTls {
            key: &key,
            section,
            settings: tls,
        };
        let (tls, certificates) = server.resolve(listener.transport, warnings)?;
        listeners.push(ListenerConfig {
            name: section.name.clone(),
            listener,
            tls,
            certificates,
            asks_for_certificates: section.client_ca.is_some(),
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

/// What a listener proves itself with, and what it asks of who connects to it.
struct ServerTls<'a> {
    key: &'a str,
    section: &'a ListenerSection,
    settings: &'a TlsSettings,
}

impl ServerTls<'_> {
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.key)
    }

    fn resolve(
        &self,
        transport: Transport,
        warnings: &mut Vec<String>,
    ) -> Result<(Option<Arc<rustls::ServerConfig>>, Vec<CertificateFacts>), Fault> {
        if transport != Transport::Tls {
            return match self.first_given() {
                None => Ok((None, Vec::new())),
                Some(field) => Err(Fault::new(
                    self.at(field),
                    "is only for transport = \"tls\"",
                )),
            };
        }
        let mut keys = Vec::new();
        for (certificate_key, certificate, key_key, key) in self.files()? {
            let certified = certificates::certified_key(
                &certificate_key,
                Path::new(certificate),
                &key_key,
                Path::new(key),
            )?;
            let roots = self.settings.roots.as_deref();
            let complaints = tls::complaints(&certified.cert, roots, SystemTime::now());
            for complaint in complaints {
                warnings.push(format!("{certificate_key} ({certificate}): {complaint}"));
            }
            keys.push(certified);
        }
        let used_by = || format!("listener {}", self.section.name);
        let facts = keys
            .iter()
            .map(|key| CertificateFacts::of(used_by(), key))
            .collect();
        let config = tls::server_config(
            ServerCertificates::new(keys),
            self.client_auth()?,
            self.settings.only_tls13,
            self.settings.key_log(),
        );
        match config {
            Ok(config) => Ok((Some(config), facts)),
            Err(error) => Err(Fault::new(self.at("certificate"), error.to_string())),
        }
    }

    fn first_given(&self) -> Option<&'static str> {
        let section = self.section;
        [
            ("certificate", section.certificate.is_some()),
            ("key", section.key.is_some()),
            ("certificates", !section.certificates.is_empty()),
            ("client_ca", section.client_ca.is_some()),
            ("client_auth", section.client_auth.is_some()),
        ]
        .into_iter()
        .find_map(|(field, is_given)| is_given.then_some(field))
    }

    /// Certificate and key files with their keys in the configuration; the default one first.
    fn files(&self) -> Result<Vec<(String, &str, String, &str)>, Fault> {
        let missing =
            |field: &str| Fault::new(self.at(field), "missing; a TLS listener needs a PEM file");
        let section = self.section;
        let mut files = Vec::new();
        match (&section.certificate, &section.key) {
            (Some(certificate), Some(key)) => {
                let keys = (self.at("certificate"), self.at("key"));
                files.push((keys.0, certificate.as_str(), keys.1, key.as_str()));
            }
            (None, None) if !section.certificates.is_empty() => {}
            (Some(_), None) => return Err(missing("key")),
            (None, _) => return Err(missing("certificate")),
        }
        for (place, more) in section.certificates.iter().enumerate() {
            let at = |field: &str| self.at(&format!("certificates[{place}].{field}"));
            let (certificate, key) = (more.certificate.as_str(), more.key.as_str());
            files.push((at("certificate"), certificate, at("key"), key));
        }
        Ok(files)
    }

    fn client_auth(&self) -> Result<Option<ClientAuth>, Fault> {
        let words = [("required", false), ("optional", true)];
        let is_optional = optional(&self.section.client_auth, |text| {
            value::choice(text, &words)
        })
        .map_err(at(self.at("client_auth")))?;
        let Some(path) = &self.section.client_ca else {
            return match is_optional {
                None => Ok(None),
                Some(_) => Err(Fault::new(
                    self.at("client_ca"),
                    "missing; client_auth needs the roots of the clients' certificates",
                )),
            };
        };
        Ok(Some(ClientAuth {
            roots: certificates::roots(&self.at("client_ca"), Path::new(path))?,
            is_optional: is_optional.unwrap_or(false),
        }))
    }
}

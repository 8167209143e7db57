//! `[[trunks]]` and `[[routes]]`: who may call, how they are secured, where calls go.

use std::ops::RangeInclusive;
use std::time::Duration;

use media_core::ports::RealmId;
use media_core::srtp::profile::Suite;
use sip_core::registration::RegistrationSettings;
use sip_core::trunk::{
    AdvertisedMedia, CallLimits, DialPlan, Network, Origination, Passthrough, SecureMode,
    SourceMode, Trunk,
};

use super::accounts::{self, ConfiguredAccount};
use super::error::Fault;
use super::file::File;
use super::realm::Realm;
use super::sections::TrunkSection;
use super::settings::{TlsSettings, at, optional};
use super::{
    ListenerConfig, TrunkConfig, check_names, credentials, dialogs, header, id, origination, value,
};
use crate::transport::tls::PeerTls;

const DEFAULT_CALLS_PER_SECOND: u32 = 30;
/// A day.
const DEFAULT_CALL_SECONDS: u64 = 86_400;
/// What we ask a provider for unless told otherwise, and what may be asked.
const DEFAULT_REGISTRATION: Duration = Duration::from_secs(3600);
const REGISTRATION_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
const DEFAULT_CODECS: [&str; 3] = ["PCMU", "PCMA", "TELEPHONE-EVENT"];

pub(super) fn resolve(
    file: &File,
    realms: &[Realm],
    listeners: &[ListenerConfig],
    tls: &TlsSettings,
    warnings: &mut Vec<String>,
) -> Result<Vec<TrunkConfig>, Fault> {
    check_names(
        "trunks",
        file.trunks.iter().map(|trunk| trunk.name.as_str()),
    )?;
    accounts::check(file)?;
    let mut trunks: Vec<TrunkConfig> = Vec::new();
    for (index, section) in file.trunks.iter().enumerate() {
        id("trunks", index)?;
        let resolver = Resolver {
            key: format!("trunks[{index}]"),
            section,
            realms,
            listeners,
            tls,
            accounts: accounts::of_trunk(file, section)?,
        };
        let trunk = resolver.resolve(warnings)?;
        check_domains(&resolver.key, &trunk.trunk, &trunks)?;
        trunks.push(trunk);
    }
    Ok(trunks)
}

/// A Request-URI must name one trunk (TRK-2).
fn check_domains(key: &str, trunk: &Trunk, others: &[TrunkConfig]) -> Result<(), Fault> {
    for (place, domain) in trunk.domains.iter().enumerate() {
        if let Some(other) = others
            .iter()
            .find(|other| other.trunk.domains.contains(domain))
        {
            let problem = format!(
                "{domain:?} is already a domain of trunk {:?}",
                other.trunk.name
            );
            return Err(Fault::new(format!("{key}.domains[{place}]"), problem));
        }
    }
    Ok(())
}

pub(super) struct Resolver<'a> {
    key: String,
    pub(super) section: &'a TrunkSection,
    pub(super) realms: &'a [Realm],
    pub(super) listeners: &'a [ListenerConfig],
    pub(super) tls: &'a TlsSettings,
    accounts: Vec<ConfiguredAccount>,
}

impl Resolver<'_> {
    fn resolve(&self, warnings: &mut Vec<String>) -> Result<TrunkConfig, Fault> {
        let section = self.section;
        let mode = self.choice(
            "secure",
            &section.secure,
            &[
                ("disabled", SecureMode::Disabled),
                ("tls", SecureMode::Tls),
                ("srtp", SecureMode::Srtp),
            ],
        )?;
        let origination = origination::resolve(&self.key, section, mode, warnings)?;
        let (listener, realm) = self.listener(mode, &origination)?;
        self.check_listeners(&origination, realm)?;
        let trunk = Trunk {
            name: section.name.clone(),
            domains: self.each("domains", &section.domains, value::domain)?,
            mode,
            limits: self.limits(),
            acl: self.each("acl", &section.acl, value::allowed)?,
            credentials: credentials::of_trunk(&self.key, section, &self.accounts)?,
            auth: credentials::ours(&self.key, section)?,
            register: self.register(&origination)?,
            accounts: self
                .accounts
                .iter()
                .map(|configured| configured.account.clone())
                .collect(),
            listener,
            realm,
            advertised_media: self.advertised_media(realm),
            suites: self.suites(mode)?,
            source: self.choice(
                "source",
                &section.source,
                &[("strict", SourceMode::Strict), ("latch", SourceMode::Latch)],
            )?,
            media_acl: self.networks("media_acl", &section.media_acl)?,
            passthrough: self.choice(
                "srtp_passthrough",
                &section.srtp_passthrough,
                &[
                    ("never", Passthrough::Never),
                    ("prefer", Passthrough::Prefer),
                ],
            )?,
            pass_sips: self.pass_sips(mode)?,
            dial_plan: self.dial_plan()?,
            mki: section.mki,
            headers: header::resolve(&self.key, section)?,
            nat: section.nat,
            opportunistic: self.opportunistic(mode)?,
            needs_certificate: false,
            asks_for_alias: false,
            refuse_other_server_names: self.choice(
                "server_name_mismatch",
                &section.server_name_mismatch,
                &[("log", false), ("refuse", true)],
            )?,
            dscp: self.dscp()?,
            max_packet_rate: section.max_packet_rate,
            codecs: self.codecs()?.into(),
            video: section.video,
            t38: self.t38(mode)?,
            session: dialogs::session(&self.key, section)?,
            refer: dialogs::refer(&self.key, section)?,
            origination,
        };
        let tls = self.peer_tls(&trunk, warnings)?;
        let trunk = Trunk {
            needs_certificate: tls.as_ref().is_some_and(PeerTls::asks_for_client_names),
            // RFC 5923: a peer reuses connections only of whom it can authenticate.
            asks_for_alias: tls.as_ref().is_some_and(|tls| tls.certificate().is_some()),
            ..trunk
        };
        Ok(TrunkConfig {
            trunk,
            tls,
            is_retired: false,
        })
    }

    /// A sips: URI promises TLS on every hop (RFC 3261 section 19.1): nothing else may carry it on.
    fn pass_sips(&self, mode: SecureMode) -> Result<bool, Fault> {
        let words = [("tls", false), ("pass", true)];
        let pass = self.choice("sips", &self.section.sips, &words)?;
        if pass && mode == SecureMode::Disabled {
            let problem = "\"pass\" is only for secure = \"tls\" or \"srtp\"";
            return Err(Fault::new(self.at("sips"), problem));
        }
        Ok(pass)
    }

    /// SDES keys are worth something only where nobody reads them: over TLS. Where SRTP is required
    /// there is no opportunity to miss.
    fn opportunistic(&self, mode: SecureMode) -> Result<bool, Fault> {
        if self.section.opportunistic && mode != SecureMode::Tls {
            let problem = "true is only for secure = \"tls\": \"disabled\" would send keys in the clear, \"srtp\" requires SRTP";
            return Err(Fault::new(self.at("opportunistic"), problem));
        }
        Ok(self.section.opportunistic)
    }

    /// `[trunks.register]`: what we register with the trunk's peer (SIG-5).
    fn register(&self, origination: &Origination) -> Result<Option<RegistrationSettings>, Fault> {
        let Some(section) = &self.section.register else {
            return Ok(None);
        };
        if origination.first().is_none() {
            let problem = "needs a destination, the registrar; expected the trunk to have one";
            return Err(Fault::new(self.at("register"), problem));
        }
        let aor = value::aor(&section.aor).map_err(at(self.at("register.aor")))?;
        let key = self.at("register.expires");
        let expires = optional(&section.expires, value::duration).map_err(at(key.as_str()))?;
        let expires = expires.unwrap_or(DEFAULT_REGISTRATION);
        if !REGISTRATION_RANGE.contains(&expires) {
            let problem = "expected \"60s\" to \"24h\"";
            return Err(Fault::new(key, problem));
        }
        Ok(Some(RegistrationSettings { aor, expires }))
    }

    /// A secure leg carries nothing in the clear, and UDPTL has no protection of ours.
    fn t38(&self, mode: SecureMode) -> Result<bool, Fault> {
        if self.section.t38 && mode == SecureMode::Srtp {
            let problem = "true is not for secure = \"srtp\": T.38 would be in the clear";
            return Err(Fault::new(self.at("t38"), problem));
        }
        Ok(self.section.t38)
    }

    pub(super) fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.key)
    }

    /// The word's value, or the default of its type.
    pub(super) fn choice<T: Copy + Default>(
        &self,
        field: &str,
        text: &Option<String>,
        choices: &[(&str, T)],
    ) -> Result<T, Fault> {
        let chosen =
            optional(text, |text| value::choice(text, choices)).map_err(at(self.at(field)))?;
        Ok(chosen.unwrap_or_default())
    }

    pub(super) fn each<T>(
        &self,
        field: &str,
        texts: &[String],
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Fault> {
        let element = |(place, text): (usize, &String)| {
            read(text)
                .map_err(|problem| Fault::new(format!("{}[{place}]", self.at(field)), problem))
        };
        texts.iter().enumerate().map(element).collect()
    }

    fn networks(&self, field: &str, texts: &[String]) -> Result<Vec<Network>, Fault> {
        self.each(field, texts, value::network)
    }

    fn advertised_media(&self, realm: RealmId) -> AdvertisedMedia {
        let realm = self.realms.get(usize::from(realm.0));
        realm.map_or(AdvertisedMedia::default(), |realm| realm.advertised)
    }

    /// TRK-7.
    fn dial_plan(&self) -> Result<Option<DialPlan>, Fault> {
        let Some(section) = &self.section.dial_plan else {
            return Ok(None);
        };
        let digits = |field: &str, text: &str, longest: usize| match text {
            text if text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(text.to_owned())
            }
            text => Err(Fault::new(
                self.at(&format!("dial_plan.{field}")),
                format!("{text:?} is not what a number begins with; expected digits, like \"00\""),
            )),
        };
        let country = digits("country", &section.country, 3)?;
        if country.is_empty() || country.starts_with('0') {
            let problem = format!("{country:?} is not a country code; expected one like \"49\"");
            return Err(Fault::new(self.at("dial_plan.country"), problem));
        }
        Ok(Some(DialPlan {
            country,
            national_prefix: digits("national_prefix", &section.national_prefix, 5)?,
            international_prefix: digits("international_prefix", &section.international_prefix, 5)?,
        }))
    }

    /// TRK-6; zero is no limit.
    fn limits(&self) -> CallLimits {
        let section = self.section;
        let rate = section.max_calls_per_second;
        let length = section.max_call_seconds;
        CallLimits {
            per_second: Some(rate.unwrap_or(DEFAULT_CALLS_PER_SECOND)).filter(|rate| *rate > 0),
            concurrent: section.max_concurrent_calls.filter(|most| *most > 0),
            length: Some(length.unwrap_or(DEFAULT_CALL_SECONDS))
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        }
    }

    fn suites(&self, mode: SecureMode) -> Result<Vec<Suite>, Fault> {
        let Some(names) = &self.section.suites else {
            return Ok(Vec::new());
        };
        if mode != SecureMode::Srtp && !self.section.opportunistic {
            return Err(Fault::new(
                self.at("suites"),
                "is only for secure = \"srtp\"",
            ));
        }
        if names.is_empty() {
            return Err(Fault::new(
                self.at("suites"),
                "is empty; expected at least one suite",
            ));
        }
        self.each("suites", names, |name| {
            Suite::from_name(name).ok_or_else(|| {
                let known: Vec<&str> = Suite::ALL.iter().map(|suite| suite.name()).collect();
                format!(
                    "unknown suite {name:?}; expected one of: {}",
                    known.join(", ")
                )
            })
        })
    }

    fn dscp(&self) -> Result<Option<u8>, Fault> {
        let Some(dscp) = self.section.dscp else {
            return Ok(None);
        };
        match u8::try_from(dscp) {
            Ok(dscp) if dscp < 64 => Ok(Some(dscp)),
            _ => Err(Fault::new(
                self.at("dscp"),
                format!("{dscp} is not a DSCP; expected 0-63"),
            )),
        }
    }

    fn codecs(&self) -> Result<Vec<String>, Fault> {
        let Some(names) = &self.section.codecs else {
            return Ok(DEFAULT_CODECS
                .iter()
                .map(|name| (*name).to_owned())
                .collect());
        };
        if names.is_empty() {
            return Err(Fault::new(
                self.at("codecs"),
                "is empty; expected encoding names, like \"PCMU\"",
            ));
        }
        self.each("codecs", names, |name| {
            match name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'/')
            {
                true if !name.is_empty() => Ok(name.to_ascii_uppercase()),
                _ => Err(format!(
                    "{name:?} is not an encoding name; expected one like \"PCMU\""
                )),
            }
        })
    }
}

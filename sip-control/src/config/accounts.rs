//! `[[accounts]]`: phones that register with us, each within a trunk, whose rules they follow (SIG-4).

use std::collections::{HashMap, HashSet};

use sip_core::registrar::{Account, Aor};

use super::error::Fault;
use super::file::File;
use super::sections::{AccountSection, CredentialSection, TrunkSection};
use super::{find_name, value};

/// An account of a trunk, and what it proves itself with.
pub(super) struct ConfiguredAccount {
    pub(super) key: String,
    pub(super) account: Account,
    pub(super) credential: CredentialSection,
}

/// That every account has a trunk, and an address and a user of its own there; and that we have no
/// password for a trunk where telephones are.
pub(super) fn check(file: &File) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    let mut users = HashMap::new();
    for (place, section) in file.accounts.iter().enumerate() {
        let key = format!("accounts[{place}]");
        let names = file.trunks.iter().map(|trunk| trunk.name.as_str());
        let trunk = find_name(format!("{key}.trunk"), "trunk", &section.trunk, names)?;
        let trunk = &file.trunks[trunk];
        if trunk.auth.is_some() {
            let problem = format!(
                "trunk {:?} has auth, which would be shown to telephones; expected a trunk without",
                trunk.name
            );
            return Err(Fault::new(format!("{key}.trunk"), problem));
        }
        let (user, domain) =
            aor(&section.aor).map_err(|problem| Fault::new(format!("{key}.aor"), problem))?;
        if !seen.insert(Aor::new(&user, &domain)) {
            let problem = format!("{:?} is used twice; expected one of its own", section.aor);
            return Err(Fault::new(format!("{key}.aor"), problem));
        }
        // Calls to the trunk find the account by the called user alone.
        let name = trunk.name.to_ascii_lowercase();
        if let Some(other) = users.insert((name, user), &section.aor) {
            let problem = format!(
                "{:?} has the user of {other:?} on the same trunk; expected another user or trunk",
                section.aor
            );
            return Err(Fault::new(format!("{key}.aor"), problem));
        }
    }
    Ok(())
}

/// The accounts of one trunk, after [`check`].
pub(super) fn of_trunk(file: &File, trunk: &TrunkSection) -> Result<Vec<ConfiguredAccount>, Fault> {
    let sections = file.accounts.iter().enumerate();
    sections
        .filter(|(_, section)| section.trunk.eq_ignore_ascii_case(&trunk.name))
        .map(|(place, section)| resolve(format!("accounts[{place}]"), section, trunk))
        .collect()
}

fn resolve(
    key: String,
    section: &AccountSection,
    trunk: &TrunkSection,
) -> Result<ConfiguredAccount, Fault> {
    let at = format!("{key}.aor");
    let (user, domain) = aor(&section.aor).map_err(|problem| Fault::new(at.as_str(), problem))?;
    // The domain of the Request-URI leads to the trunk (TRK-2).
    let is_ours = trunk
        .domains
        .iter()
        .any(|ours| ours.trim_end_matches('.').eq_ignore_ascii_case(&domain));
    if !is_ours {
        let problem = format!(
            "{domain:?} is not a domain of trunk {:?}; expected one of: {}",
            trunk.name,
            trunk.domains.join(", ")
        );
        return Err(Fault::new(at, problem));
    }
    let login = section.user.clone().unwrap_or_else(|| user.clone());
    Ok(ConfiguredAccount {
        key,
        account: Account {
            aor: Aor::new(&user, &domain),
            user: login.clone(),
        },
        credential: CredentialSection {
            user: login,
            password: section.password.clone(),
            ha1_md5: section.ha1_md5.clone(),
            ha1_sha256: section.ha1_sha256.clone(),
            has_password: section.has_password,
        },
    })
}

/// `sip:user@domain`: user and domain.
pub(super) fn aor(text: &str) -> Result<(String, String), String> {
    let expected = || format!("{text:?} is not an address-of-record; expected sip:USER@DOMAIN");
    let (scheme, rest) = text.split_once(':').ok_or_else(expected)?;
    let (user, domain) = rest.split_once('@').ok_or_else(expected)?;
    let is_sip = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()+".contains(c);
    if !is_sip || user.is_empty() || !user.chars().all(is_plain) {
        return Err(expected());
    }
    Ok((user.to_owned(), value::domain(domain)?))
}

/// The same in the one way of writing it that names an account.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (user, domain) = aor(text).ok()?;
    Some(format!("sip:{user}@{domain}"))
}

/// Whether that is meant to be one, and not the name of a trunk.
pub(super) fn is_aor(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_record_is_a_user_at_a_domain() {
        let read = |text| aor(text).ok();
        let alice = Some(("alice".to_owned(), "example.com".to_owned()));
        assert_eq!(read("sip:alice@Example.com"), alice);
        assert_eq!(read("SIPS:alice@example.com"), alice);
        for text in [
            "alice@example.com",
            "sip:example.com",
            "sip:@example.com",
            "tel:+4930@example.com",
            "sip:a:b@example.com",
            "sip:alice@example.com:5060",
            "sip:alice@192.0.2.1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

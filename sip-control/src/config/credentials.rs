//! `[[trunks.credentials]]`: whom calls to us must authenticate as (TRK-1); and `[trunks.auth]`: whom
//! we authenticate as.

use std::sync::Arc;

use sip_core::auth::client::Password;
use sip_core::auth::{Algorithm, CredentialSet, CredentialSetError, Ha1, Login};

use super::accounts::ConfiguredAccount;
use super::error::Fault;
use super::secret::Secret;
use super::sections::{CredentialSection, TrunkSection};

/// The trunk's users, if it has any: those of `credentials`, and its accounts.
pub(super) fn of_trunk(
    key: &str,
    section: &TrunkSection,
    accounts: &[ConfiguredAccount],
) -> Result<Option<Arc<CredentialSet>>, Fault> {
    if section.credentials.is_empty() && accounts.is_empty() {
        let settings = [
            ("auth_realm", section.auth_realm.is_some()),
            ("auth_algorithms", section.auth_algorithms.is_some()),
        ];
        return match settings.into_iter().find(|(_, is_there)| *is_there) {
            Some((name, _)) => Err(Fault::new(
                format!("{key}.{name}"),
                "is only for a trunk with credentials or accounts",
            )),
            None => Ok(None),
        };
    }
    let realm = realm(key, section)?;
    let mut logins = Vec::with_capacity(section.credentials.len());
    for (place, credential) in section.credentials.iter().enumerate() {
        logins.push(login(
            &format!("{key}.credentials[{place}]"),
            &realm,
            credential,
        )?);
    }
    for configured in accounts {
        logins.push(login(&configured.key, &realm, &configured.credential)?);
    }
    let algorithms = algorithms(key, section)?;
    let set = CredentialSet::new(&realm, logins);
    let set = set.and_then(|set| set.offering_only(&algorithms));
    let set = set.map_err(|error| match error {
        CredentialSetError::Twice(user) => twice(key, &user, accounts),
        other => Fault::new(format!("{key}.credentials"), other.to_string()),
    })?;
    Ok(Some(Arc::new(set)))
}

/// An account that has the user of another login is at fault, if there is one.
fn twice(key: &str, user: &str, accounts: &[ConfiguredAccount]) -> Fault {
    let mut last_first = accounts.iter().rev();
    match last_first.find(|configured| configured.credential.user == user) {
        Some(account) => Fault::new(
            format!("{}.user", account.key),
            format!("user {user:?} is there already on the same trunk; expected another one"),
        ),
        None => Fault::new(
            format!("{key}.credentials"),
            format!("user {user:?} is there twice; expected a name of its own for each"),
        ),
    }
}

/// What may be offered: all that we have, unless the trunk says less.
fn algorithms(key: &str, section: &TrunkSection) -> Result<Vec<Algorithm>, Fault> {
    let Some(names) = &section.auth_algorithms else {
        return Ok(Algorithm::ALL.to_vec());
    };
    let one = |(place, name): (usize, &String)| {
        Algorithm::from_token(name).ok_or_else(|| {
            let problem = format!("{name:?} is no algorithm; expected \"SHA-256\" or \"MD5\"");
            Fault::new(format!("{key}.auth_algorithms[{place}]"), problem)
        })
    };
    let algorithms: Vec<Algorithm> = names
        .iter()
        .enumerate()
        .map(one)
        .collect::<Result<_, _>>()?;
    if algorithms.is_empty() {
        let problem = "is empty; expected \"SHA-256\", \"MD5\" or both";
        return Err(Fault::new(format!("{key}.auth_algorithms"), problem));
    }
    Ok(algorithms)
}

/// `[trunks.auth]`: what the trunk's peer knows us by (SIG-5).
pub(super) fn ours(key: &str, section: &TrunkSection) -> Result<Option<Password>, Fault> {
    let Some(auth) = &section.auth else {
        return Ok(None);
    };
    check_user(&format!("{key}.auth.user"), &auth.user)?;
    check_only_told(&format!("{key}.auth"), auth.has_password)?;
    let fault = |problem| Err(Fault::new(format!("{key}.auth.password"), problem));
    match &auth.password {
        None => fault("missing"),
        Some(password) if password.expose().is_empty() => fault("is empty; expected a password"),
        Some(password) => Ok(Some(Password::new(&auth.user, password.expose()))),
    }
}

/// It is part of what is shown, and would seem to mean something.
fn check_only_told(key: &str, has_password: Option<bool>) -> Result<(), Fault> {
    match has_password {
        None => Ok(()),
        Some(_) => Err(Fault::new(
            format!("{key}.has_password"),
            "is only told, never set; expected password",
        )),
    }
}

/// A colon would end the name in what is hashed (RFC 7616 section 3.4.2).
fn check_user(key: &str, user: &str) -> Result<(), Fault> {
    if user.is_empty() || user.contains([':', '"', '\\']) || user.contains(char::is_control) {
        let problem =
            format!("{user:?} is no user name; expected a text without colons and quotes");
        return Err(Fault::new(key, problem));
    }
    Ok(())
}

/// What challenges name: the setting, else the trunk's first domain.
fn realm(key: &str, section: &TrunkSection) -> Result<String, Fault> {
    let at = format!("{key}.auth_realm");
    let realm = match (&section.auth_realm, section.domains.first()) {
        (Some(realm), _) => realm.clone(),
        (None, Some(domain)) => super::value::domain(domain)
            .map_err(|problem| Fault::new(format!("{key}.domains[0]"), problem))?,
        (None, None) => {
            let problem = "missing; credentials need it, as the trunk has no domain";
            return Err(Fault::new(at, problem));
        }
    };
    let is_fine = |letter: char| !letter.is_control() && !matches!(letter, '"' | '\\');
    if realm.is_empty() || !realm.chars().all(is_fine) {
        let problem =
            format!("{realm:?} is no realm; expected a text without quotes and backslashes");
        return Err(Fault::new(at, problem));
    }
    Ok(realm)
}

fn login(key: &str, realm: &str, section: &CredentialSection) -> Result<Login, Fault> {
    let user = section.user.as_str();
    check_user(&format!("{key}.user"), user)?;
    check_only_told(key, section.has_password)?;
    let ha1 = |algorithm: Algorithm, field: &str, secret: &Secret| {
        Ha1::from_hex(algorithm, secret.expose()).ok_or_else(|| {
            let problem = format!(
                "is not {} of user:realm:password; expected {} hexadecimal digits",
                algorithm.token(),
                algorithm.hex_len()
            );
            Fault::new(format!("{key}.{field}"), problem)
        })
    };
    let mut computed = Vec::new();
    if let Some(secret) = &section.ha1_sha256 {
        computed.push(ha1(Algorithm::Sha256, "ha1_sha256", secret)?);
    }
    if let Some(secret) = &section.ha1_md5 {
        computed.push(ha1(Algorithm::Md5, "ha1_md5", secret)?);
    }
    match (&section.password, computed.is_empty()) {
        (Some(password), true) if !password.expose().is_empty() => {
            Ok(Login::of_password(user, realm, password.expose()))
        }
        (Some(_), true) => Err(Fault::new(
            format!("{key}.password"),
            "is empty; expected a password",
        )),
        (None, false) => Ok(Login::of_ha1(user, computed)),
        (Some(_), false) => Err(Fault::new(
            format!("{key}.password"),
            "and an HA1 are both there; expected either",
        )),
        (None, true) => Err(Fault::new(
            format!("{key}.password"),
            "missing; expected password, or ha1_sha256 or ha1_md5 or both",
        )),
    }
}

//! Who may authenticate to us: the users of a trunk, with what proves them (TRK-1).

use std::collections::HashMap;

use super::digest::{Algorithm, Ha1};

/// One user and what it proves itself with: an HA1 for each algorithm that it can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    user: String,
    ha1: Vec<Ha1>,
}

impl Login {
    /// Of a password, which is good for every algorithm.
    pub fn of_password(user: &str, realm: &str, password: &str) -> Login {
        let ha1 = |algorithm| Ha1::of_password(algorithm, user, realm, password);
        Login {
            user: user.to_owned(),
            ha1: Algorithm::ALL.map(ha1).to_vec(),
        }
    }

    /// Of what was computed elsewhere.
    pub fn of_ha1(user: &str, ha1: Vec<Ha1>) -> Login {
        Login {
            user: user.to_owned(),
            ha1,
        }
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    fn ha1(&self, algorithm: Algorithm) -> Option<&Ha1> {
        self.ha1.iter().find(|ha1| ha1.algorithm() == algorithm)
    }
}

/// The users of one realm; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSet {
    realm: String,
    logins: HashMap<String, Login>,
    algorithms: Vec<Algorithm>,
    /// Stands in for users that do not exist: proving them wrong takes as long.
    nobody: Login,
}

/// Why users make no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialSetError {
    #[error("there is no user")]
    Empty,
    #[error("user {0:?} is there twice")]
    Twice(String),
    /// A client chooses among the algorithms that we offer before we know its name: each must do
    /// for every user.
    #[error("no algorithm fits every user: give each a password, or an HA1 of the same algorithm")]
    NoCommonAlgorithm,
}

impl CredentialSet {
    pub fn new(realm: &str, logins: Vec<Login>) -> Result<CredentialSet, CredentialSetError> {
        if logins.is_empty() {
            return Err(CredentialSetError::Empty);
        }
        let serves_all =
            |algorithm: &Algorithm| logins.iter().all(|login| login.ha1(*algorithm).is_some());
        let algorithms: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(serves_all).collect();
        if algorithms.is_empty() {
            return Err(CredentialSetError::NoCommonAlgorithm);
        }
        let mut by_user = HashMap::with_capacity(logins.len());
        for login in logins {
            let user = login.user.clone();
            if by_user.insert(user.clone(), login).is_some() {
                return Err(CredentialSetError::Twice(user));
            }
        }
        Ok(CredentialSet {
            realm: realm.to_owned(),
            logins: by_user,
            algorithms,
            nobody: Login::of_password("", realm, ""),
        })
    }

    /// The same, for clients that stumble over what they do not know: no other algorithms than
    /// those are offered, or taken.
    pub fn offering_only(
        mut self,
        algorithms: &[Algorithm],
    ) -> Result<CredentialSet, CredentialSetError> {
        self.algorithms.retain(|own| algorithms.contains(own));
        match self.algorithms.is_empty() {
            true => Err(CredentialSetError::NoCommonAlgorithm),
            false => Ok(self),
        }
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// What clients are offered, the strongest first.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The user's HA1, or for one that does not exist another one, with `false`.
    pub(super) fn find(&self, user: &str, algorithm: Algorithm) -> Option<(&Ha1, bool)> {
        let login = self.logins.get(user);
        let exists = login.is_some();
        let ha1 = login.unwrap_or(&self.nobody).ha1(algorithm)?;
        Some((ha1, exists))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md5_only(user: &str) -> Login {
        let ha1 = Ha1::of_password(Algorithm::Md5, user, "r", "p");
        Login::of_ha1(user, vec![ha1])
    }

    #[test]
    fn only_algorithms_that_do_for_every_user_are_offered() {
        let password = Login::of_password("a", "r", "p");
        let set = CredentialSet::new("r", vec![password.clone()]).unwrap();
        assert_eq!(set.algorithms(), [Algorithm::Sha256, Algorithm::Md5]);
        let set = CredentialSet::new("r", vec![password, md5_only("b")]).unwrap();
        assert_eq!(set.algorithms(), [Algorithm::Md5]);
        let sha = Ha1::of_password(Algorithm::Sha256, "c", "r", "p");
        let mixed = vec![md5_only("b"), Login::of_ha1("c", vec![sha])];
        assert_eq!(
            CredentialSet::new("r", mixed),
            Err(CredentialSetError::NoCommonAlgorithm)
        );
        assert_eq!(
            CredentialSet::new("r", vec![md5_only("b"), md5_only("b")]),
            Err(CredentialSetError::Twice("b".to_owned()))
        );
        assert_eq!(
            CredentialSet::new("r", Vec::new()),
            Err(CredentialSetError::Empty)
        );
    }

    #[test]
    fn less_may_be_offered_than_the_users_have() {
        let set = CredentialSet::new("r", vec![Login::of_password("a", "r", "p")]).unwrap();
        let md5 = set.clone().offering_only(&[Algorithm::Md5]).unwrap();
        assert_eq!(md5.algorithms(), [Algorithm::Md5]);
        let both = set.offering_only(&[Algorithm::Md5, Algorithm::Sha256]);
        assert_eq!(
            both.unwrap().algorithms(),
            [Algorithm::Sha256, Algorithm::Md5]
        );
        let sha = &[Algorithm::Sha256];
        let none = CredentialSet::new("r", vec![md5_only("b")]).unwrap();
        assert_eq!(
            none.offering_only(sha),
            Err(CredentialSetError::NoCommonAlgorithm)
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let set = CredentialSet::new("r", vec![Login::of_password("a", "r", "geheim")]).unwrap();
        let shown = format!("{set:?}");
        assert!(!shown.contains("geheim"));
        let (ha1, _) = set.find("a", Algorithm::Md5).unwrap();
        assert_eq!(format!("{ha1:?}"), "Ha1(MD5, ..)");
    }
}

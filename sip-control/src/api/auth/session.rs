//! Sessions of browsers: a cookie stands for a token, so that no script ever holds the token
//! (RFC 6265). They end with the daemon, with the token, and some time after their last use.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE as COOKIE_HEADER;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::{OsRng, TryRngCore};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// The name of the cookie.
pub(in crate::api) const COOKIE: &str = "trunkline_session";
/// A console that is open for a day goes on.
pub(in crate::api) const LIFE: Duration = Duration::from_secs(7 * 86_400);
const MOST: usize = 1024;

/// Those that are open, by the hash of what the cookie has: looking one up tells nothing about the
/// others by the time that it takes.
#[derive(Default)]
pub(in crate::api) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

struct Session {
    /// Which token it stands for.
    token: String,
    used: Instant,
}

impl Sessions {
    /// Begins one for a token; what the cookie has to have. `None`: there is no randomness.
    pub(in crate::api) fn begin(&self, token: &str) -> Option<String> {
        let mut random = [0; 32];
        OsRng.try_fill_bytes(&mut random).ok()?;
        let secret = URL_SAFE_NO_PAD.encode(random);
        let mut sessions = self.lock();
        if sessions.len() >= MOST {
            make_room(&mut sessions);
        }
        let session = Session {
            token: token.to_owned(),
            used: Instant::now(),
        };
        sessions.insert(hash(&secret), session);
        Some(secret)
    }

    /// The token that a cookie stands for.
    pub(in crate::api) fn token_of(&self, secret: &str) -> Option<String> {
        let key = hash(secret);
        let mut sessions = self.lock();
        let session = sessions.get_mut(&key)?;
        if session.used.elapsed() > LIFE {
            sessions.remove(&key);
            return None;
        }
        session.used = Instant::now();
        Some(session.token.clone())
    }

    pub(in crate::api) fn end(&self, headers: &HeaderMap) {
        if let Some(secret) = cookie_of(headers) {
            self.lock().remove(&hash(secret));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(sessions: &mut HashMap<[u8; 32], Session>) {
    sessions.retain(|_, session| session.used.elapsed() <= LIFE);
    if sessions.len() >= MOST {
        let idle = sessions.iter().min_by_key(|(_, session)| session.used);
        if let Some(idle) = idle.map(|(key, _)| *key) {
            sessions.remove(&idle);
        }
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What our cookie has, if the request has it (RFC 6265 section 4.2).
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE_HEADER).iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE_HEADER, HeaderValue::from_str(cookies).unwrap())])
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_stands_for_its_token_until_it_ends() {
        let sessions = Sessions::default();
        let secret = sessions.begin("a1").unwrap();
        assert_eq!(sessions.token_of(&secret).as_deref(), Some("a1"));
        assert_eq!(sessions.token_of("other"), None);
        let cookies = headers(&format!("theme=dark; {COOKIE}={secret}"));
        sessions.end(&cookies);
        assert_eq!(sessions.token_of(&secret), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_in_use_lasts_and_one_that_is_left_ends() {
        let sessions = Sessions::default();
        let (used, left) = (sessions.begin("a").unwrap(), sessions.begin("b").unwrap());
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(86_400)).await;
            assert!(sessions.token_of(&used).is_some());
        }
        assert_eq!(sessions.token_of(&left), None);
    }

    #[test]
    fn sessions_are_bounded() {
        let sessions = Sessions::default();
        for _ in 0..MOST + 10 {
            sessions.begin("a").unwrap();
        }
        assert_eq!(sessions.lock().len(), MOST);
    }

    #[test]
    fn only_our_cookie_is_read() {
        assert_eq!(
            cookie_of(&headers("a=b; trunkline_session=x=y")),
            Some("x=y")
        );
        assert_eq!(cookie_of(&headers("xtrunkline_session=z")), None);
    }
}

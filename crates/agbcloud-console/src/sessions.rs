//! One-time tokens of links, and the sessions that they start. Both exist in memory only.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;

/// Maximum number of sessions. A further one ends the oldest.
const MAX_SESSIONS: usize = 16;
/// Maximum number of links that were not used. A further one invalidates the oldest.
const MAX_LINKS: usize = 8;

/// A signed-in browser.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The token that each form repeats.
    pub(crate) csrf: Secret,
}

/// A random text of 256 bits. `Debug` omits it.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    #[expect(
        clippy::disallowed_methods,
        reason = "secrets come from the operating system"
    )]
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(HEXLOWER.encode(&bytes)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not depend on the position of a difference.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The links and sessions of a console.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    links: Mutex<VecDeque<Secret>>,
    active: Mutex<VecDeque<(Secret, Session)>>,
}

impl Sessions {
    /// Creates the token of a new link.
    pub(crate) fn create_link(&self) -> Result<Secret, getrandom::Error> {
        let token = Secret::random()?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.truncate(MAX_LINKS - 1);
        links.push_front(token.clone());
        Ok(token)
    }

    /// Starts a session with the token of a link, which becomes invalid. Returns the value of the cookie.
    pub(crate) fn sign_in(&self, token: &str) -> Result<Option<Secret>, getrandom::Error> {
        {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            let before = links.len();
            links.retain(|link| !link.matches(token));
            if links.len() == before {
                return Ok(None);
            }
        }
        let (cookie, csrf) = (Secret::random()?, Secret::random()?);
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.truncate(MAX_SESSIONS - 1);
        active.push_front((cookie.clone(), Session { csrf }));
        Ok(Some(cookie))
    }

    /// The session of a cookie.
    pub(crate) fn find(&self, cookie: &str) -> Option<Session> {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let found = active.iter().find(|(secret, _)| secret.matches(cookie));
        found.map(|(_, session)| session.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_starts_one_session() {
        let sessions = Sessions::default();
        let link = sessions.create_link().unwrap();
        assert!(sessions.sign_in("").unwrap().is_none());
        let cookie = sessions.sign_in(link.as_str()).unwrap().unwrap();
        assert!(sessions.sign_in(link.as_str()).unwrap().is_none());
        let session = sessions.find(cookie.as_str()).unwrap();
        assert!(!session.csrf.matches(cookie.as_str()));
        assert!(sessions.find(link.as_str()).is_none() && sessions.find("").is_none());
    }

    #[test]
    fn the_number_of_links_and_sessions_is_limited() {
        let sessions = Sessions::default();
        let links: Vec<_> = (0..MAX_LINKS + 1)
            .map(|_| sessions.create_link().unwrap())
            .collect();
        assert!(sessions.sign_in(links[0].as_str()).unwrap().is_none());
        let first = sessions.sign_in(links[1].as_str()).unwrap().unwrap();
        for _ in 0..MAX_SESSIONS {
            let link = sessions.create_link().unwrap();
            assert!(sessions.sign_in(link.as_str()).unwrap().is_some());
        }
        assert!(sessions.find(first.as_str()).is_none());
    }
}

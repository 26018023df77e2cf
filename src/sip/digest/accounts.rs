//! What the passwords of those who may sign in come down to, and the same of nobody.
//!
//! H(user:realm:password) is computed before anybody asks: else the work for a user who exists would depend on the length
//! of the password, and be another than for one who does not.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::Sha256;

use super::{Algorithm, feed, hex};
use crate::base::Secret;
use crate::model::Directory;

/// H(user:realm:password) of one user (RFC 7616 §3.4.2), of each hash that is asked for.
#[derive(Clone, Copy, Default)]
struct Proof {
    sha256: [u8; 32],
    md5: [u8; 16],
}

impl Proof {
    fn new(user: &str, realm: &str, password: &Secret) -> Proof {
        let parts = [user, realm, password.expose()];
        Proof { sha256: feed::<Sha256>(&parts).into(), md5: feed::<Md5>(&parts).into() }
    }

    /// What takes the place of the proof of a user who does not exist: nobody knows it, and it is another in each run.
    fn of_nobody(realm: &str, key: &[u8]) -> Proof {
        // A key of any length is good for HMAC, so this does not fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Proof::default() };
        mac.update(b"nobody:");
        mac.update(realm.as_bytes());
        let sha256: [u8; 32] = mac.finalize().into_bytes().into();
        Proof { sha256, md5: feed::<Md5>(&[&hex(&sha256)]).into() }
    }

    fn of(&self, algorithm: Algorithm) -> Option<String> {
        match algorithm {
            Algorithm::Sha256 => Some(hex(&self.sha256)),
            Algorithm::Md5 => Some(hex(&self.md5)),
            Algorithm::Sha512_256 => None,
        }
    }
}

/// What each user of a realm is known by.
pub struct Accounts {
    by_user: HashMap<Box<str>, Proof>,
    nobody: Proof,
}

impl Accounts {
    /// Nobody may sign in yet. `key` is a secret of this run.
    pub fn new(realm: &str, key: &[u8]) -> Accounts {
        Accounts { by_user: HashMap::new(), nobody: Proof::of_nobody(realm, key) }
    }

    /// Those of `directory` may sign in from here on, who were those of `before`. Without a password nobody may.
    pub fn follow(&mut self, realm: &str, before: &Directory, directory: &Directory) {
        let mut by_user = HashMap::with_capacity(directory.users.len());
        for (name, user) in directory.users.iter().filter(|(_, user)| !user.password.expose().is_empty()) {
            let is_same = before.users.get(name).is_some_and(|before| before.password == user.password);
            let known = self.by_user.get(name.as_str()).copied().filter(|_| is_same);
            by_user.insert(name.as_str().into(), known.unwrap_or_else(|| Proof::new(name, realm, &user.password)));
        }
        self.by_user = by_user;
    }

    /// H(user:realm:password) in hexadecimal, and whether there is such a user; `None` of a hash that is not asked for.
    pub fn of(&self, user: &str, algorithm: Algorithm) -> Option<(String, bool)> {
        let known = self.by_user.get(user);
        Some((known.unwrap_or(&self.nobody).of(algorithm)?, known.is_some()))
    }
}

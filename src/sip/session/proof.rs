//! Proving ourselves to a trunk that challenges (RFC 3261 §22.2, §22.3).

use crate::base::Dice;
use crate::sip::config::Trunk;
use crate::sip::digest::{self, Account};
use crate::sip::message::{Header, Name, Request, Response};

/// How often credentials are sent for one realm, unless only the nonce was too old.
pub const TRIES_PER_REALM: u8 = 2;
/// How often a server may call a nonce stale before it is not believed any more.
pub const STALE_LIMIT: u8 = 3;

/// What was tried for one request.
#[derive(Debug, Default)]
pub struct Proof {
    tried: Vec<Tried>,
    stale: u8,
}

#[derive(Debug)]
struct Tried {
    realm: String,
    times: u8,
    header: Header,
}

impl Proof {
    /// Takes a 401 or 407 and makes credentials for the next try. `false` if there is no use in trying.
    pub fn take(&mut self, response: &Response, request: &Request, trunk: Option<&Trunk>, dice: &mut Dice) -> bool {
        let (asked, said) = match response.code() {
            407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => (Name::WwwAuthenticate, Name::Authorization),
        };
        let Some(account) = trunk.and_then(account) else { return false };
        let challenges = digest::challenges(&response.headers, &asked);
        let uri = request.uri.to_string();
        let cnonce = dice.token(16);
        let Some(credentials) = digest::answer(&challenges, account, &request.method, &uri, 1, &cnonce) else {
            return false;
        };
        let stale = challenges.iter().any(|c| c.stale && c.nonce == credentials.nonce);
        let before = self.tried.iter().find(|t| t.realm == credentials.realm && t.header.name == said);
        let mut times = before.map_or(0, |t| t.times);
        if before.is_some() && stale {
            self.stale += 1;
            if self.stale > STALE_LIMIT {
                return false;
            }
        } else {
            times += 1;
        }
        if times > TRIES_PER_REALM {
            return false;
        }
        self.tried.retain(|t| !(t.realm == credentials.realm && t.header.name == said));
        let header = Header::of(said, &credentials);
        self.tried.push(Tried { realm: credentials.realm, times, header });
        true
    }

    /// The headers that prove us.
    pub fn headers(&self) -> impl Iterator<Item = &Header> {
        self.tried.iter().map(|t| &t.header)
    }
}

fn account(trunk: &Trunk) -> Option<Account<'_>> {
    Some(Account { user: trunk.user.as_deref()?, password: trunk.password.as_ref()?, realm: trunk.realm.as_deref() })
}

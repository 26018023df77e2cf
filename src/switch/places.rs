//! From a target of the dialplan to the places where calls and messages for it are delivered, and who the sender is
//! there.

use super::bindings::Bindings;
use super::calls::Adapters;
use super::resolve::{SIP, XMPP};
use crate::base::AdapterId;
use crate::model::{Address, Binding, Contact, Directory, Entry, PREFERRED, Party};
use crate::route::Target;

/// What comes in: a call or a message.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The adapter that heard it.
    pub adapter: AdapterId,
    /// By which door.
    pub entry: &'a Entry,
    /// Who calls or writes.
    pub from: &'a Party,
    /// To whom.
    pub to: &'a Address,
    /// The one device that is meant, if only one is.
    pub device: Option<&'a Contact>,
}

/// One place to deliver it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The adapter to go by.
    pub adapter: AdapterId,
    /// The sender as this place is to see it.
    pub from: Party,
    /// Whom to ask for.
    pub to: Address,
    /// Where exactly; absent for a trunk.
    pub contact: Option<Contact>,
    /// By which trunk.
    pub trunk: Option<String>,
    /// How much its user prefers it to be rung, in thousandths.
    pub preference: u16,
}

/// Where everybody is.
pub struct Places<'a> {
    /// The users.
    pub directory: &'a Directory,
    /// Their devices.
    pub bindings: &'a Bindings,
    /// The protocols that run.
    pub adapters: &'a Adapters,
}

impl Places<'_> {
    /// The places of a target. None: nobody is there now.
    pub fn of(&self, target: &Target, asking: Asking<'_>) -> Vec<Place> {
        match target {
            Target::User(user) => self.devices(user, asking),
            // A group is opened into its trunks before.
            Target::Group { group, number } => {
                let trunks = group.in_order().into_iter().map(|name| (name.to_owned(), number.clone()));
                let trunks = trunks.map(|(name, number)| Target::Trunk { name, number });
                trunks.take(1).flat_map(|trunk| self.of(&trunk, asking)).collect()
            }
            Target::Trunk { name, number } => vec![Place {
                adapter: SIP,
                from: self.sender_for_trunks(asking),
                to: Address::here(number.clone()),
                contact: None,
                trunk: Some(name.clone()),
                preference: PREFERRED,
            }],
            Target::Xmpp(jid) => self.account(jid.clone(), asking).into_iter().collect(),
        }
    }

    /// The places of whoever asks, with what was dialled as the sender. `None` for strangers, who cannot be written to.
    pub fn back(&self, asking: Asking<'_>) -> Option<Vec<Place>> {
        let from = &asking.from.address;
        let target = match asking.entry {
            _ if asking.adapter == XMPP => Target::Xmpp(from.clone()),
            Entry::User(user) => Target::User(user.clone()),
            Entry::Trunk(name) => Target::Trunk { name: name.clone(), number: from.user.clone() },
            Entry::Account(_) | Entry::Open => return None,
        };
        let dialled = Party::new(asking.to.clone());
        let places = self.of(&target, asking).into_iter();
        Some(places.map(|place| Place { from: dialled.clone(), ..place }).collect())
    }

    /// The devices of a user, and the XMPP account, if it has signed in nowhere itself. Nobody rings the account that
    /// they call from.
    fn devices(&self, user: &str, asking: Asking<'_>) -> Vec<Place> {
        let from = self.sender_for_users(asking);
        let is_own_account = asking.adapter == XMPP && matches!(asking.entry, Entry::User(name) if name == user);
        let jid = self.directory.users.get(user).and_then(|u| u.jid.as_ref()).and_then(|j| j.parse::<Address>().ok());
        let reachable = |device: &&Binding| {
            let is_meant = asking.device.is_none_or(|meant| *meant == device.contact);
            is_meant && !(is_own_account && device.adapter == XMPP)
        };
        let devices: Vec<&Binding> = self.bindings.of(user).iter().filter(reachable).collect();
        let is_signed_in = |jid: &Address| {
            let same = |c: &Contact| c.0.parse::<Address>().is_ok_and(|contact| contact.bare() == *jid);
            devices.iter().any(|device| device.adapter == XMPP && same(&device.contact))
        };
        let account = jid.filter(|jid| asking.device.is_none() && !is_own_account && !is_signed_in(jid));
        let mut places: Vec<Place> = devices
            .iter()
            .map(|device| Place {
                adapter: device.adapter,
                from: from.clone(),
                to: Address::here(user),
                contact: Some(device.contact.clone()),
                trunk: None,
                preference: device.preference,
            })
            .collect();
        places.extend(account.and_then(|jid| self.account(jid, asking)));
        places
    }

    fn account(&self, jid: Address, asking: Asking<'_>) -> Option<Place> {
        self.adapters.contains_key(&XMPP).then(|| Place {
            adapter: XMPP,
            from: self.sender_for_users(asking),
            contact: Some(Contact(jid.to_string())),
            to: jid,
            trunk: None,
            preference: PREFERRED,
        })
    }

    /// Our own users are seen by name, accounts by their address, whichever of their clients it is.
    fn sender_for_users(&self, asking: Asking<'_>) -> Party {
        let from = asking.from;
        match asking.entry {
            Entry::User(name) => Party {
                address: Address::here(name.clone()),
                display: self.directory.users.get(name).and_then(|u| u.display.clone()).or(from.display.clone()),
                private: from.private,
            },
            Entry::Account(_) => Party { address: from.address.bare(), ..from.clone() },
            Entry::Trunk(_) | Entry::Open => from.clone(),
        }
    }

    /// The telephone network sees the number of the user, if it has one. It sees nothing of an account: an address
    /// that cannot be called back from there is nobody's business there.
    fn sender_for_trunks(&self, asking: Asking<'_>) -> Party {
        match asking.entry {
            Entry::User(name) => {
                let number = self.directory.users.get(name).and_then(|u| u.number.clone());
                let by_name = self.sender_for_users(asking);
                match number {
                    Some(number) => Party { address: Address::here(number), ..by_name },
                    None => by_name,
                }
            }
            Entry::Account(_) => Party { private: true, ..Party::new(Address::here("anonymous")) },
            Entry::Trunk(_) | Entry::Open => asking.from.clone(),
        }
    }
}

/// In how many steps the devices of a user are rung at most; those of the least preference share the last one.
const MOST_STEPS: usize = 3;

/// The places of a target in the order in which they are rung: those of the same preference at once, and those of a
/// lower one after them (RFC 3261 §16.6). Nobody there is one step without places.
pub fn steps(mut places: Vec<Place>) -> Vec<Vec<Place>> {
    places.sort_by_key(|place| std::cmp::Reverse(place.preference));
    let mut steps: Vec<Vec<Place>> = vec![Vec::new()];
    for place in places {
        let count = steps.len();
        let Some(step) = steps.last_mut() else { continue };
        let is_same = step.last().is_none_or(|last| last.preference == place.preference);
        if is_same || count >= MOST_STEPS {
            step.push(place);
        } else {
            steps.push(vec![place]);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::call::{Action, Attempt};
    use crate::model::MediaPolicy;
    use crate::switch::resolve::WEB;
    use crate::switch::stub::{Stub, Switch, account, user};

    const RULES: &str = r#"
        rule = [
          { when = { entry = "account:*@montague.lit", user = "*" }, dial = "user:{user}", media = "relay" },
          { when = { entry = "user|account|trunk", to = "out" }, dial = "trunk:carrier", number = "100" },
          { when = { entry = "user", to = "all" }, dial = ["user:bob", "xmpp:romeo@montague.lit"], parallel = true },
        ]"#;

    fn attempts(action: Action) -> Vec<Attempt> {
        match action {
            Action::Dial(attempts) => attempts,
            other => panic!("{other:?}"),
        }
    }

    /// The adapter and contact of each branch.
    fn rung(action: Action) -> Vec<String> {
        let branches = attempts(action).into_iter().flat_map(|a| a.branches);
        branches.map(|b| format!("{} {}", b.leg.adapter().0, b.contact.map_or("-".into(), |c| c.0))).collect()
    }

    #[test]
    fn an_account_that_is_dialled_is_one_branch_by_the_xmpp_adapter() {
        let mut switch = Switch::new(RULES);
        let attempts = attempts(switch.plan(WEB, user("alice"), "alice", "Romeo@montague.lit/Orchard"));
        assert_eq!((attempts.len(), attempts[0].media), (1, MediaPolicy::Auto));
        assert_eq!(attempts[0].target, "xmpp:Romeo@montague.lit/Orchard");
        let branch = &attempts[0].branches[0];
        assert_eq!(branch.leg.adapter(), XMPP);
        assert_eq!(branch.to, Address::at("Romeo", "montague.lit/Orchard"));
        assert_eq!(branch.contact.as_ref().unwrap().0, "Romeo@montague.lit/Orchard");
        assert_eq!(branch.from.address, Address::here("alice"));
        let mut without = Switch::with(RULES, false, Stub::default());
        assert!(rung(without.plan(WEB, user("alice"), "alice", "romeo@montague.lit")).is_empty());
    }

    #[test]
    fn a_users_account_rings_with_the_devices_once_and_not_when_it_calls_itself() {
        let mut switch = Switch::new(RULES);
        switch.bind("bob", WEB, "page");
        assert_eq!(rung(switch.plan(WEB, user("alice"), "alice", "bob")), ["2 page", "3 bob@montague.lit"]);
        assert_eq!(rung(switch.plan(WEB, user("bob"), "bob", "bob")), ["2 page", "3 bob@montague.lit"]);
        assert_eq!(rung(switch.plan(XMPP, user("bob"), "bob@montague.lit/Orchard", "bob")), ["2 page"]);
        switch.bind("bob", XMPP, "bob@montague.lit/Orchard");
        assert_eq!(rung(switch.plan(WEB, user("alice"), "alice", "bob")), ["3 bob@montague.lit/Orchard", "2 page"]);
        assert_eq!(rung(switch.plan(XMPP, user("bob"), "bob@montague.lit", "bob")), ["2 page"]);
        assert_eq!(rung(switch.plan(WEB, user("alice"), "alice", "BOB@montague.lit")).len(), 2, "found by account");
        let mut without = Switch::with(RULES, false, Stub::default());
        assert!(rung(without.plan(WEB, user("alice"), "alice", "bob")).is_empty());
    }

    #[test]
    fn an_address_of_our_component_is_one_of_ours() {
        let mut switch = Switch::new(RULES);
        assert_eq!(rung(switch.plan(WEB, user("alice"), "alice", "bob@Phone.montague.lit")), ["3 bob@montague.lit"]);
        assert!(matches!(switch.plan(WEB, user("alice"), "alice", "echo@phone.montague.lit"), Action::Echo));
    }

    #[test]
    fn targets_that_ring_at_once_are_one_attempt_whatever_their_world() {
        let mut switch = Switch::new(RULES);
        let all = attempts(switch.plan(WEB, user("alice"), "alice", "all"));
        assert_eq!((all.len(), all[0].target.as_str()), (1, "user:bob+xmpp:romeo@montague.lit"));
        assert_eq!(all[0].branches.len(), 2);
    }

    #[test]
    fn who_calls_is_told_to_each_world_as_far_as_it_concerns_it() {
        let mut switch = Switch::new(RULES);
        switch.bind("alice", WEB, "page");
        let mut from = |entry: Entry, from: &str, to: &str| {
            let attempts = attempts(switch.plan(XMPP, entry, from, to));
            let branch = attempts[0].branches[0].clone();
            (branch.from.address.to_string(), branch.from.private, attempts[0].media)
        };
        let romeo = || account("romeo@montague.lit");
        let orchard = "romeo@montague.lit/Orchard";
        assert_eq!(from(romeo(), orchard, "alice"), ("romeo@montague.lit".into(), false, MediaPolicy::Relay));
        assert_eq!(from(romeo(), orchard, "out"), ("anonymous".into(), true, MediaPolicy::Auto));
        let (alice, bob) = ("alice@montague.lit", "bob@montague.lit");
        assert_eq!(from(user("alice"), alice, "out").0, "+4930111111");
        assert_eq!(from(user("bob"), bob, "alice").0, "bob");
        assert_eq!(from(user("bob"), bob, "out").0, "bob");
        assert_eq!(from(Entry::Trunk("carrier".into()), "+15550100", "out").0, "+15550100");
    }
}

//! A switch for tests: its adapters note what they are told.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::bindings::Bindings;
use super::board::Letter;
use super::calls::{Adapters, Calls, Ledger};
use super::config::Routing;
use super::resolve::{Resolver, SIP, WEB, XMPP};
use crate::base::{AdapterId, Dice, LegId, Secret};
use crate::call;
use crate::model::{
    Abilities, Adapter, Address, Binding, Contact, Directory, Entry, Overflow, PREFERRED, Party, Record, Relay,
    RelayCommand, Signal, Start, Text, TextId, Undelivered, User,
};
use crate::route::group::{Group, Member};
use crate::route::{Dialplan, Names, Numbering, defaults};

/// What an adapter was told.
#[derive(Default)]
pub struct Stub {
    pub texts: Mutex<Vec<Text>>,
    pub told: Mutex<Vec<(TextId, Result<(), Undelivered>)>>,
    pub is_full: bool,
}

impl Adapter for Stub {
    fn abilities(&self) -> Abilities {
        Abilities::PHONE
    }

    fn say(&self, _: LegId, _: Signal) -> Result<(), Overflow> {
        Ok(())
    }

    fn deliver(&self, text: Text) -> Result<(), Overflow> {
        if self.is_full {
            return Err(Overflow);
        }
        self.texts.lock().unwrap().push(text);
        Ok(())
    }

    fn delivered(&self, id: TextId, result: Result<(), Undelivered>) {
        self.told.lock().unwrap().push((id, result));
    }
}

struct Nothing;

impl Relay for Nothing {
    fn order(&self, _: RelayCommand) -> Result<(), Overflow> {
        Ok(())
    }
}

impl Ledger for Nothing {
    fn up(&mut self, _: Record) {}
    fn append(&mut self, _: Record) {}
}

/// Two trunks that share the calls, and one for when both fail.
fn group() -> Group {
    let member = |(trunk, priority): (&str, u16)| Member { trunk: trunk.into(), priority, weight: 1 };
    let members = [("backup", 2), ("carrier", 1), ("other", 1)].map(member).into();
    Group { name: "out".into(), members }
}

/// Users of whom alice has a number and bob an XMPP account, and who may call what beside what the binary says.
pub fn config(rules: &str) -> (Routing, Directory) {
    let user = |display: &str, number: Option<&str>, jid: Option<&str>| User {
        password: Secret::new("x"),
        display: Some(display.to_owned()),
        number: number.map(str::to_owned),
        jid: jid.map(str::to_owned),
    };
    let users = [
        ("alice".to_owned(), user("Alice", Some("+4930111111"), None)),
        ("bob".to_owned(), user("Bob", None, Some("bob@montague.lit"))),
    ];
    let directory = Directory { users: users.into() };
    let names = Names {
        users: directory.users.keys().cloned().collect(),
        trunks: vec!["carrier".into()],
        demo: None,
        xmpp: true,
        sounds: ["music".to_owned()].into(),
        groups: [("out".to_owned(), Arc::new(group()))].into(),
    };
    let files = defaults::FILES.into_iter().chain([defaults::IM_FILE, ("rules.toml", rules)]);
    let dialplan = Dialplan::read(files, &names).unwrap_or_else(|p| panic!("{p}"));
    let domains = vec!["phone.montague.lit".to_owned()];
    let (numbering, time_zone) = (Numbering::default(), jiff::tz::TimeZone::UTC);
    (
        Routing {
            dialplan,
            numbering,
            time_zone,
            domains,
            hold_music: None,
            limits: crate::route::guard::Limits::default(),
        },
        directory,
    )
}

/// A switch with all three adapters, or without XMPP.
pub struct Switch {
    pub calls: Calls,
    pub sip: Arc<Stub>,
    pub web: Arc<Stub>,
    pub xmpp: Arc<Stub>,
    pub now: Instant,
    numbers: u64,
    resolver: Resolver,
    bindings: Bindings,
    adapters: Adapters,
}

impl Switch {
    pub fn new(rules: &str) -> Switch {
        Switch::with(rules, true, Stub::default())
    }

    pub fn with(rules: &str, has_xmpp: bool, web: Stub) -> Switch {
        let (routing, directory) = config(rules);
        let (sip, web, xmpp) = (Arc::new(Stub::default()), Arc::new(web), Arc::new(Stub::default()));
        let mut adapters: Adapters = Adapters::new();
        adapters.insert(SIP, sip.clone());
        adapters.insert(WEB, web.clone());
        if has_xmpp {
            adapters.insert(XMPP, xmpp.clone());
        }
        let (routing, directory) = (Arc::new(routing), Arc::new(directory));
        let resolver = || Resolver::new(Arc::clone(&routing), Arc::clone(&directory), Dice::for_test(1));
        let calls = Calls::new(adapters.clone(), Arc::new(Nothing), Box::new(Nothing), resolver(), 10, 0);
        let (resolver, bindings) = (resolver(), Bindings::default());
        Switch { calls, sip, web, xmpp, now: Instant::now(), numbers: 0, resolver, bindings, adapters }
    }

    /// A device signs in.
    pub fn bind(&mut self, user: &str, adapter: AdapterId, contact: &str) {
        self.bind_with(user, adapter, contact, PREFERRED);
    }

    /// A device signs in that the user prefers so much.
    pub fn bind_with(&mut self, user: &str, adapter: AdapterId, contact: &str, preference: u16) {
        let binding = Binding { user: user.into(), adapter, contact: Contact(contact.into()), preference };
        self.bindings.bind(binding.clone());
        self.calls.handle(self.now, 0, Letter::Bind(binding));
    }

    /// What a call would do.
    pub fn plan(&mut self, adapter: AdapterId, entry: Entry, from: &str, to: &str) -> call::Action {
        self.plan_to(adapter, entry, from, to, None)
    }

    /// What a call would do that means one device.
    pub fn plan_to(
        &mut self,
        adapter: AdapterId,
        entry: Entry,
        from: &str,
        to: &str,
        device: Option<Contact>,
    ) -> call::Action {
        let start = Start {
            entry,
            from: Party::new(from.parse().unwrap()),
            to: to.parse().unwrap(),
            contact: None,
            trunk: None,
            offer: None,
            hops_left: 70,
            about: crate::model::About { device, ..Default::default() },
        };
        self.resolver.resolve(adapter, &start, &self.bindings, &self.adapters, 0).plan.action
    }

    /// Somebody writes. The name under which they are told what became of it.
    pub fn write(&mut self, adapter: AdapterId, entry: Entry, from: &str, to: &str) -> TextId {
        self.numbers += 1;
        let id = TextId { adapter, number: self.numbers };
        let text = Text {
            id,
            entry,
            from: Party::new(from.parse().unwrap()),
            to: to.parse::<Address>().unwrap(),
            contact: None,
            trunk: None,
            body: "Wherefore art thou?".into(),
        };
        self.calls.handle(self.now, 0, Letter::Text(Box::new(text)));
        id
    }

    /// An adapter tells what became of a copy.
    pub fn delivered(&mut self, copy: &Text, result: Result<(), Undelivered>) {
        self.calls.handle(self.now, 0, Letter::Delivered(copy.id, result));
    }

    /// Time passes.
    pub fn after(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.calls.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.calls.handle_timeout(due);
        }
        self.now = until;
    }
}

impl Stub {
    /// What has been given to it since it was last asked.
    pub fn taken(&self) -> Vec<Text> {
        std::mem::take(&mut *self.texts.lock().unwrap())
    }

    /// What it has been told since it was last asked.
    pub fn told(&self) -> Vec<(TextId, Result<(), Undelivered>)> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

pub fn user(name: &str) -> Entry {
    Entry::User(name.into())
}

pub fn account(jid: &str) -> Entry {
    Entry::Account(jid.into())
}

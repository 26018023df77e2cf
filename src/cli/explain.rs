//! `patchcord explain`.

use std::path::Path;

use jiff::Zoned;
use jiff::civil::{DateTime, Weekday};

use crate::model::{Address, Entry};
use crate::route::expected::usual_adapter;
use crate::route::{self, Minute, Request};
use crate::switch::config::Config;

/// A call that might be.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Who calls: the name of a user, or a number
    #[arg(long, value_name = "ADDRESS")]
    from: Address,
    /// Who is dialled, as the caller would type it
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// Whom the call was meant for, where a trunk says that others have sent it on
    #[arg(long, value_name = "ADDRESS")]
    meant_for: Option<Address>,
    /// When: 2026-11-22T10:00 in the dialplan's time zone, or "Mo 10:00"; otherwise now
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    at: Option<Minute>,
    /// By which door: web, sip, xmpp (the user --from), trunk:NAME, account:NAME@DOMAIN, open; otherwise what --from
    /// suggests
    #[arg(long, value_name = "DOOR", value_parser = read_door)]
    entry: Option<Door>,
}

/// A door as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Door {
    /// The caller is a user on this adapter.
    User(&'static str),
    /// The caller has proven to be this.
    Entry(Entry),
}

fn read_door(text: &str) -> Result<Door, String> {
    match text {
        "web" => Ok(Door::User("web")),
        "sip" => Ok(Door::User("sip")),
        "xmpp" => Ok(Door::User("xmpp")),
        other => route::expected::read_entry(other)
            .map(Door::Entry)
            .ok_or_else(|| "write web, sip, xmpp, user:NAME, trunk:NAME, account:NAME@DOMAIN or open".to_owned()),
    }
}

fn read_time(text: &str) -> Result<Minute, String> {
    let date = || text.parse::<DateTime>().ok().map(|t| minute(t.weekday(), t.hour(), t.minute()));
    Minute::read(text).or_else(date).ok_or_else(|| "write 2026-11-22T10:00 or \"Mo 10:00\"".to_owned())
}

fn minute(day: Weekday, hour: i8, minute: i8) -> Minute {
    Minute::of(day.to_monday_zero_offset().unsigned_abs(), hour.unsigned_abs(), minute.unsigned_abs())
}

/// Prints the decision and its reasons. A call that is rejected is an answer like any other.
pub fn explain(file: Option<&Path>, call: &Arguments) -> Result<(), String> {
    let config = super::load_without_sounds(file)?;
    let now = Zoned::now().with_time_zone(config.routing.time_zone.clone());
    let now = minute(now.weekday(), now.hour(), now.minute());
    super::print(&explained(&config, call, now));
    Ok(())
}

fn explained(config: &Config, call: &Arguments, now: Minute) -> String {
    let routing = &config.routing;
    let (entry, adapter) = match &call.entry {
        Some(Door::User(adapter)) => {
            let user = owner(config, &call.from).unwrap_or_else(|| call.from.user.clone());
            (Entry::User(user), *adapter)
        }
        Some(Door::Entry(entry)) => (entry.clone(), usual_adapter(entry)),
        None => suggested(config, &call.from),
    };
    let mut request = Request::gather(
        &routing.numbering,
        &config.directory,
        entry,
        adapter,
        (&call.from, &routing.dialled(&call.to)),
        call.at.unwrap_or(now),
    );
    request.meant_for = call.meant_for.as_ref().map(|address| routing.numbering.read(address));
    route::explain(&routing.dialplan, &request, &route::decide(&routing.dialplan, &request))
}

/// The user whose XMPP account it is.
fn owner(config: &Config, from: &Address) -> Option<String> {
    from.domain.as_ref()?;
    config.directory.users.by_account(&from.bare().to_string()).map(str::to_owned)
}

/// A user comes by the page, or by the XMPP account, if that is said to call; a number by the first trunk; somebody of
/// another domain by XMPP, if there is a connection; anybody else by no door that knows them.
fn suggested(config: &Config, from: &Address) -> (Entry, &'static str) {
    if from.domain.is_none() && config.directory.users.contains_key(&from.user) {
        return (Entry::User(from.user.clone()), "web");
    }
    if let Some(user) = owner(config, from) {
        return (Entry::User(user), "xmpp");
    }
    let trunk = config.trunk_names().into_iter().next();
    match trunk.filter(|_| from.is_number()) {
        Some(trunk) => (Entry::Trunk(trunk), "sip"),
        None if from.domain.is_some() && !config.xmpp.connections.is_empty() => {
            (Entry::Account(from.bare().to_string().to_lowercase()), "xmpp")
        }
        None => (Entry::Open, "sip"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::base::Dice;

    fn ask(from: &str, to: &str, entry: Option<&str>) -> String {
        let config = Config::embedded(&mut Dice::for_test(1)).unwrap();
        let entry = entry.map(|e| read_door(e).unwrap());
        let call = Arguments { from: from.parse().unwrap(), to: to.parse().unwrap(), meant_for: None, at: None, entry };
        explained(&config, &call, read_time("2026-11-22T10:00").unwrap())
    }

    #[test]
    fn a_call_is_explained_rule_by_rule() {
        let expected = "\
web (entry user:web, by web) calls +15550100 at Su 10:00
  00-emergency.toml:6  emergency      no: to is +15550100, not \"112|911|999|110|000|119\"
  10-users.toml:3      echo           no: to is +15550100, not \"echo\"
  10-users.toml:9      our users      no: no user of ours has this name or number
  20-pstn.toml:5       demonstration  yes
dial trunk:demo +15550100, for 1m each
";
        assert_eq!(ask("web", "+1 555 0100", None), expected);
    }

    #[test]
    fn the_door_is_what_the_caller_suggests_unless_it_is_said() {
        assert!(ask("phone", "web", Some("sip")).starts_with("phone (entry user:phone, by sip)"));
        assert!(ask("+15550100", "web", None).starts_with("+15550100 (entry trunk:demo, by sip)"));
        assert!(ask("stranger", "web", None).contains("(entry open, by sip)"));
        assert!(ask("stranger", "web", None).ends_with("reject forbidden: This call is not allowed.\n"));
        assert!(read_door("gate").is_err());
    }

    #[test]
    fn an_account_is_a_stranger_unless_it_is_a_users_own() {
        let romeo = "account:Romeo@Example.org";
        assert!(ask("romeo@example.org", "web", Some(romeo)).contains("(entry account:romeo@example.org, by xmpp)"));
        assert!(
            ask("romeo@example.org", "web", Some(romeo)).ends_with("reject forbidden: This call is not allowed.\n")
        );
        let mut config = Config::embedded(&mut Dice::for_test(1)).unwrap();
        config.directory.users.get_mut("web").unwrap().jid = Some("romeo@example.org".into());
        let from: Address = "romeo@example.org/Orchard".parse().unwrap();
        assert_eq!(suggested(&config, &from), (Entry::User("web".into()), "xmpp"));
        let stranger: Address = "Juliet@example.org/Balcony".parse().unwrap();
        assert_eq!(suggested(&config, &stranger), (Entry::Open, "sip"));
    }

    #[test]
    fn with_a_connection_somebody_of_another_domain_is_an_account_and_the_component_is_ours() {
        let text = "[[user]]\nname = \"alice\"\npassword = \"x\"\n[[xmpp]]\nname = \"prosody\"\n\
                    component = \"phone.example.org\"\nsecret = \"x\"\n";
        let config = Config::read("gateway.toml", text, Path::new("")).unwrap();
        let ask = |from: &str, to: &str| {
            let call = Arguments {
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
                meant_for: None,
                at: None,
                entry: None,
            };
            explained(&config, &call, read_time("Mo 10:00").unwrap())
        };
        let expected = "\
Juliet@example.org/Balcony (entry account:juliet@example.org, by xmpp) calls alice at Mo 10:00
  00-emergency.toml:6  emergency  no: entry is account:juliet@example.org, by xmpp, not \"user\"
  10-users.toml:3      echo       no: entry is account:juliet@example.org, by xmpp, not \"user\"
  10-users.toml:9      our users  no: entry is account:juliet@example.org, by xmpp, not \"user|trunk\"
  15-im.toml:4         accounts   no: entry is account:juliet@example.org, by xmpp, not \"user\"
  no rule allows it
reject forbidden: This call is not allowed.
";
        assert_eq!(ask("Juliet@example.org/Balcony", "alice@phone.example.org"), expected);
        assert!(ask("alice", "romeo@example.org").ends_with("dial xmpp:romeo@example.org, for 1m each\n"));
    }

    #[test]
    fn a_time_is_a_date_or_a_day_of_the_week() {
        assert_eq!(read_time("2026-11-23T09:30").unwrap().to_string(), "Mo 09:30");
        assert_eq!(read_time("Sa 12:00").unwrap().to_string(), "Sa 12:00");
        assert!(read_time("noon").is_err());
    }
}

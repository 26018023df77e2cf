#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::{Address, Entry};
use crate::route::{Minute, Request, decide};

fn read(text: &str) -> Result<Config, String> {
    Config::read("gateway.toml", text, Path::new("/etc/patchcord")).map_err(|p| p.to_string())
}

fn problems(text: &str) -> Vec<String> {
    read(text).unwrap_err().lines().map(str::to_owned).collect()
}

fn dial(config: &Config, entry: Entry, to: &str) -> String {
    let routing = &config.routing;
    let parties = (&Address::here("alice"), &to.parse().unwrap());
    let request = Request::gather(&routing.numbering, &config.directory, entry, "web", parties, Minute::of(0, 12, 0));
    decide(&routing.dialplan, &request).action.to_string()
}

const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
const DIALPLAN: &str = include_str!("../../../docs/dialplan.md");
const BESIDE: &str = include_str!("../../../docs/xmpp.md");

/// The examples of a document.
fn examples(document: &str) -> Vec<&str> {
    document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The first example of the documents, on loopback.
fn trunk() -> String {
    examples(CONFIGURATION)[0].replace("0.0.0.0", "127.0.0.1")
}

#[test]
fn a_real_trunk_takes_a_file_of_a_few_lines() {
    assert!(trunk().lines().count() < 15);
    let config = read(&trunk()).unwrap();
    let alice = Entry::User("alice".into());
    assert_eq!(dial(&config, alice.clone(), "0151 23456789"), "dial trunk:carrier +4915123456789");
    assert_eq!(dial(&config, alice.clone(), "112"), "dial trunk:carrier 112");
    assert_eq!(dial(&config, alice.clone(), "001 900 123 4567"), "reject forbidden");
    assert_eq!(dial(&config, alice, "+1 555 0100"), "reject forbidden");
    let carrier = Entry::Trunk("carrier".into());
    assert_eq!(dial(&config, carrier.clone(), "+4930123456"), "dial user:alice");
    assert_eq!(dial(&config, carrier.clone(), "4930123456"), "dial user:alice");
    assert_eq!(dial(&config, carrier, "+49151234567"), "reject not-found");
    let trunk = &config.sip.trunks["carrier"];
    assert_eq!(trunk.caller, crate::sip::config::CallerPolicy::OwnNumber);
    assert!(!config.demo && config.web.guest.is_none() && config.page.tls == Tls::Off);
}

#[test]
fn the_effective_configuration_hides_secrets_and_can_be_read_again() {
    for config in [read(&trunk()).unwrap(), Config::embedded(&mut Dice::for_test(1)).unwrap()] {
        let printed = config.to_toml();
        for user in config.directory.users.values() {
            assert!(!printed.contains(user.password.expose()), "{printed}");
        }
        assert!(!printed.contains("what the carrier gave you"), "{printed}");
        let again = read(&printed).unwrap_or_else(|p| panic!("{p}\n{printed}"));
        let settings = |text: &str| text.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(settings(&again.to_toml()), settings(&printed));
    }
}

#[test]
fn the_embedded_configuration_is_on_loopback_and_its_passwords_are_generated() {
    let config = Config::embedded(&mut Dice::for_test(1)).unwrap();
    assert!(config.page.listen.ip().is_loopback() && config.sip.listen.iter().all(|l| l.address.ip().is_loopback()));
    assert_eq!(config.media.bind_v4, Some(std::net::Ipv4Addr::LOCALHOST));
    assert_eq!(config.media.bind_v6, None);
    assert_eq!(config.web.guest.as_deref(), Some("web"));
    assert!(config.demo);
    let other = Config::embedded(&mut Dice::for_test(2)).unwrap();
    for (name, user) in &config.directory.users {
        assert_eq!(user.password.expose().len(), GENERATED_PASSWORD);
        assert_ne!(user.password, other.directory.users[name].password);
    }
    assert_eq!(dial(&config, Entry::User("web".into()), "+1 555 0100"), "dial trunk:demo +15550100");
    assert_eq!(dial(&config, Entry::User("web".into()), "phone"), "dial user:phone");
}

#[test]
fn every_mistake_of_the_file_is_said_at_once_with_its_line() {
    let text = r#"
colour = "red"

[sip]
listen = ["udp:127.0.0.1:5060", "127.0.0.1:5060"]

[web]
listen = "0.0.0.0:8443"
guest = "alise"
certificate = "/nowhere/cert.pem"
origins = "https://example.org/page"

[media]
ports = "29999-20000"
threads = "4"
advertise = "192.0.2.1"
[[trunk]]
name = "carrier"
transport = "wss"
user = "x"
caller = "own-number"

[[user]]
name = "alice"
password = "short"
number = "030 123456"

[[user]]
name = "alice"
pasword = "correct horse"

[[rule]]
when = { entry = "user", to = "+49*" }
dial = "trunk:carier"

[dialplan]
region = "Germany"

[limits]
calls = -1
"#;
    let socket = "a socket, such as \"udp:0.0.0.0:5060\" or [\"udp:127.0.0.1:5060\", \"tcp:[::1]:5060\"]";
    let expected = [
        "gateway.toml:2: unknown key `colour`: known here: demo, state_directory, sip, stir, web, media, sound, recording, fork, dialplan, \
         xmpp, users_file, user, limits, trunk, group, rule, records, metrics, log",
        &format!("gateway.toml:5: `listen` is \"127.0.0.1:5060\": write {socket}"),
        "gateway.toml:9: anybody who reaches the page could call: leave `guest` out, or let the page listen on \
         127.0.0.1",
        "gateway.toml:9: there is no user `alise`: write a [[user]] of this name",
        "gateway.toml:10: `/nowhere/cert.pem` cannot be read: No such file or directory (os error 2)",
        "gateway.toml:10: a certificate without its key: write `key` too",
        "gateway.toml:11: `origins` is \"https://example.org/page\": write an origin, such as \"https://example.org\" \
         (scheme, host, port if unusual, nothing behind)",
        "gateway.toml:14: `ports` is \"29999-20000\": write a range of ports, such as \"20000-29999\"",
        "gateway.toml:15: `threads` is \"4\": write a number from 1 to 64, without quotes",
        "gateway.toml:17: the trunk has no address: write `address`, a host or an address, with a port if it is not \
         5060, such as \"sip.example.org\"",
        "gateway.toml:19: `transport` is \"wss\": write \"udp\", \"tcp\", \"tls\" or \"any\"",
        "gateway.toml:20: a user without a password: write `password_file` too",
        "gateway.toml:21: `caller` is \"own-number\" and there is none: write `number` too",
        "gateway.toml:25: the password is too short: write at least 8 characters; the gateway can be reached from \
         elsewhere, and a guessed password costs money",
        "gateway.toml:26: `number` is \"030 123456\": write a number with its country, such as \"+4930123456\"",
        "gateway.toml:29: there are two users `alice`: give one another name",
        "gateway.toml:30: unknown key `pasword` in [[user]]: write `password`",
        "gateway.toml:34: `trunk:carier`: there is no trunk `carier`: write \"trunk:carrier\"",
        "gateway.toml:37: `region` is \"Germany\": write a country by its two letters (ISO 3166), such as \"DE\"",
        "gateway.toml:40: `calls` is -1: write a number from 1 to 1000000, without quotes",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn off_loopback_the_page_is_protected() {
    let config = read("web.listen = \"0.0.0.0:8443\"\nmedia.advertise = \"192.0.2.1\"\n").unwrap();
    assert_eq!(config.page.tls, Tls::SelfSigned);
    assert_eq!(read("web.listen = \"[::1]:8080\"\n").unwrap().page.tls, Tls::Off);
}

#[test]
fn streams_of_sip_are_protected_and_every_address_is_of_either_family() {
    let config = read(
        "sip.listen = [\"tls:[::]:5061\", \"ws:127.0.0.1:5080\"]\nmedia.advertise = \"192.0.2.1\"\n[[trunk]]\n\
         name = \"carrier\"\naddress = \"sip.example.org\"\ntransport = \"tls\"\ntls_name = \"*.example.org\"\n",
    );
    let sip = config.unwrap().sip;
    let listen: Vec<String> = sip.listen.into_iter().map(String::from).collect();
    assert_eq!(listen, ["tls:[::]:5061", "ws:127.0.0.1:5080", "tls:0.0.0.0:5061"]);
    assert!(matches!(sip.tls.own, Some(crate::sip::config::Own::SelfSigned(_))), "until one is given");
    assert_eq!(sip.trunks["carrier"].tls.name.as_deref(), Some("*.example.org"));
    let text = "[sip]\nlisten = \"ws:192.0.2.1:80\"\ncertificate = \"/dev/null\"\n[[trunk]]\nname = \"carrier\"\n\
                address = \"sip.example.org\"\ntransport = \"tls\"\n";
    let expected = [
        "gateway.toml:1: a certificate without its key: write `key` too",
        "gateway.toml:1: the trunk `carrier` is reached by TLS, and no socket is for that: add one to `listen` in [sip], such as \
         \"tls:0.0.0.0:5061\"",
        "gateway.toml:2: a plain WebSocket can be read by everybody on the way: write \"wss:...\", or let it listen on \
         127.0.0.1 behind a proxy that does TLS",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn media_is_received_where_signalling_is() {
    let bound = |text: &str| {
        let media = read(text).unwrap().media;
        (media.bind_v4.map(|a| a.to_string()), media.bind_v6.map(|a| a.to_string()))
    };
    let sip =
        |address: &str| format!("sip.listen = \"udp:{address}:5060\"\nmedia.advertise = [\"192.0.2.1\", \"::2\"]\n");
    assert_eq!(bound(""), (Some("127.0.0.1".into()), None));
    assert_eq!(bound(&sip("192.0.2.7")), (Some("0.0.0.0".into()), None));
    assert_eq!(bound(&sip("[::]")), (Some("0.0.0.0".into()), Some("::".into())), "either family");
    assert_eq!(bound("media.address = \"192.0.2.7\"\n"), (Some("192.0.2.7".into()), None));
}

#[test]
fn sip_on_every_address_names_the_address_that_peers_are_told() {
    let config = read("sip.listen = \"udp:0.0.0.0:5060\"\nmedia.advertise = \"192.0.2.1\"\n").unwrap();
    assert_eq!(config.sip.advertise.as_deref(), Some("192.0.2.1"));
    assert_eq!(config.media.ice_port, 30_000);
}

#[test]
fn passwords_come_from_a_file_and_never_from_two_places() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("alice"), "from a file\n").unwrap();
    let user = "[[user]]\nname = \"alice\"\npassword_file = \"alice\"\n";
    let config = Config::read("gateway.toml", user, folder.path()).unwrap();
    assert_eq!(config.directory.users["alice"].password.expose(), "from a file");
    let text = format!("{user}password = \"x\"\n[[user]]\nname = \"bob\"\npassword_env = \"PATCHCORD_NO_SUCH\"\n");
    let said = Config::read("gateway.toml", &text, folder.path()).unwrap_err().to_string();
    let expected = "gateway.toml:3: two passwords: write one of `password`, `password_file`, `password_env`\n\
         gateway.toml:7: `PATCHCORD_NO_SUCH` is not set: export it before the start";
    assert_eq!(said, expected);
    assert_eq!(
        problems("[[user]]\nname = \"bob\"\n"),
        ["gateway.toml:1: bob has no password: write `password` or `password_file`"]
    );
}

const XMPP: &str = "\
[[user]]
name = \"alice\"
password = \"what only alice knows\"
jid = \"Alice@Example.org\"
[[xmpp]]
name = \"phones\"
component = \"Phone.example.org\"
secret = \"what the server knows\"
domains = [\"example.org\", \"Example.com\"]
video = false
[[xmpp]]
name = \"desk\"
login = \"gateway@example.net\"
password = \"what only the gateway knows\"
inbound = \"reception\"
server = \"[2001:db8::7]\"
tls = \"direct\"
subscribe = true
";

#[test]
fn a_component_and_a_login_are_read_with_their_defaults() {
    use crate::jingle::config::{Login, Security};
    let config = read(XMPP).unwrap();
    assert_eq!(config.directory.users["alice"].jid.as_deref(), Some("alice@example.org"));
    let [phones, desk] = config.xmpp.connections.as_slice() else { panic!("two connections") };
    assert!(matches!(&phones.login, Login::Component { domain, .. } if domain == "phone.example.org"));
    assert_eq!(phones.server, Some(("127.0.0.1".to_owned(), 5347)));
    assert_eq!((phones.security, phones.subscribe, phones.video), (Security::Plain, false, false));
    assert_eq!(phones.domains, ["example.org", "example.com"]);
    assert!(matches!(&desk.login, Login::Client { inbound, .. } if *inbound == Address::here("reception")));
    assert_eq!(desk.server, Some(("2001:db8::7".to_owned(), 5223)));
    assert_eq!((desk.security, desk.subscribe, desk.video), (Security::DirectTls, true, true));
    let plain = "[[xmpp]]\nname = \"x\"\nlogin = \"g@example.net\"\npassword = \"p\"\ninbound = \"+15550100\"\n";
    let config = read(plain).unwrap();
    assert_eq!((config.xmpp.connections[0].security, &config.xmpp.connections[0].server), (Security::StartTls, &None));
}

#[test]
fn where_there_is_an_xmpp_server_users_may_call_accounts_and_rules_may_name_them() {
    let rule = "[[rule]]\nwhen = { to = \"boss\" }\ndial = \"xmpp:boss@example.org\"\n";
    let config = read(&format!("{XMPP}{rule}")).unwrap();
    let alice = Entry::User("alice".into());
    assert_eq!(dial(&config, alice.clone(), "romeo@m.lit"), "dial xmpp:romeo@m.lit");
    assert_eq!(dial(&config, alice, "boss"), "dial xmpp:boss@example.org");
    assert!(problems(rule)[0].contains("write an [[xmpp]]"));
}

#[test]
fn an_xmpp_server_takes_a_file_of_a_few_lines() {
    let config = read(examples(BESIDE)[0]).unwrap();
    let colleague = Entry::Account("bob@example.org".into());
    assert_eq!(dial(&config, colleague.clone(), "alice"), "dial user:alice");
    assert_eq!(dial(&config, colleague, "+4989123456"), "reject forbidden");
    assert_eq!(dial(&config, Entry::Account("eve@example.net".into()), "alice"), "reject forbidden");
    assert_eq!(dial(&config, Entry::User("alice".into()), "bob@example.org"), "dial xmpp:bob@example.org");
}

#[test]
fn what_is_printed_of_xmpp_hides_secrets_and_can_be_read_again() {
    let printed = read(XMPP).unwrap().to_toml();
    assert!(!printed.contains("what the server knows") && !printed.contains("what only"), "{printed}");
    assert!(printed.contains("jid = \"alice@example.org\""), "{printed}");
    let again = read(&printed).unwrap_or_else(|p| panic!("{p}\n{printed}"));
    assert_eq!(again.to_toml(), printed);
}

#[test]
fn every_mistake_of_xmpp_is_said_with_its_line() {
    let text = r#"
[[user]]
name = "alice"
password = "x"
jid = "alice@phone.example.org"
[[user]]
name = "bob"
password = "x"
jid = "bob@example.org/phone"
[[user]]
name = "carol"
password = "x"
jid = "alice@phone.example.org"
[[xmpp]]
name = "a"
component = "phone.example.org"
[[xmpp]]
name = "b"
component = "phone.example.org"
secret = "x"
password = "y"
inbound = "alice"
tls = "starttls"
[[xmpp]]
name = "b"
[[xmpp]]
name = "c"
component = "phone@example.org"
login = "g@example.org"
tls = "off"
[[xmpp]]
name = "d"
component = "d.example.org"
secret = "x"
server = "xmpp.example.org"
ca = "/nowhere/ca.pem"
[[xmpp]]
name = "e"
component = "phone.example.org"
secret = "z"
domains = ["a b"]
[[xmpp]]
name = "f"
component = "f.example.org"
login = "g@example.org"
[[xmpp]]
name = "h"
login = "h@example.org"
password = "x"
inbound = "alice"
tls = "off"
"#;
    let expected = [
        "gateway.toml:5: `alice@phone.example.org` is the gateway itself: write an account of the user's own",
        "gateway.toml:9: `jid` is \"bob@example.org/phone\": write an XMPP account, such as \"alice@example.org\"",
        "gateway.toml:13: `alice@phone.example.org` is the gateway itself: write an account of the user's own",
        "gateway.toml:13: two users have the account alice@phone.example.org: write it once",
        "gateway.toml:16: a component without its secret: write `secret` or `secret_file` too, as at the server",
        "gateway.toml:21: a component has no password: write `secret`, as at the server",
        "gateway.toml:22: every address of a component is somebody's own: leave `inbound` out",
        "gateway.toml:23: `tls` is \"starttls\", which no component has: write \"off\" or \"direct\"",
        "gateway.toml:24: write `component` and `secret`, or `login`, `password` and `inbound`",
        "gateway.toml:25: there are two XMPP connections `b`: give one another name",
        "gateway.toml:28: `component` is \"phone@example.org\": write a domain, such as \"phone.example.org\"",
        "gateway.toml:29: a login without its password: write `password` or `password_file` too",
        "gateway.toml:29: calls to the account ring nobody: write `inbound`, such as \"reception\" or \"+15550100\"",
        "gateway.toml:35: the secret and every word would cross the network openly: write `tls = \"direct\"`, or `tls = \
         \"off\"` if the way there is protected otherwise",
        "gateway.toml:36: `/nowhere/ca.pem` cannot be read: No such file or directory (os error 2)",
        "gateway.toml:36: `ca` is for TLS, and `tls` is off: leave it out, or write `tls`",
        "gateway.toml:37: two XMPP connections are `phone.example.org`, and a server takes only one: leave one out",
        "gateway.toml:41: `domains` is \"a b\": write domains of accounts, such as [\"example.org\"]",
        "gateway.toml:45: a component and a login: write one, and a second [[xmpp]] for the other",
        "gateway.toml:51: an account's password may cross no network openly: write \"starttls\" or \"direct\", or a \
         `server` on this machine",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn a_component_needs_no_tls_beside_its_server_and_asks_for_none_elsewhere() {
    let read = |server: &str, more: &str| {
        read(&format!(
            "[[xmpp]]\nname = \"x\"\ncomponent = \"p.example\"\nsecret = \"s\"\nserver = \"{server}\"\n{more}"
        ))
    };
    for near in ["localhost:5347", "127.0.0.1", "10.1.2.3:5347", "[::1]:5347", "[fd00::1]", "192.168.1.2"] {
        assert!(read(near, "").is_ok(), "{near}");
    }
    for far in ["xmpp.example.org", "192.0.2.1:5347", "[2001:db8::1]"] {
        assert!(read(far, "").is_err(), "{far}");
        assert!(read(far, "tls = \"off\"\n").is_ok() && read(far, "tls = \"direct\"\n").is_ok(), "{far}");
    }
}

#[test]
fn a_dialplan_of_its_own_takes_the_place_of_the_embedded_one() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan");
    std::fs::create_dir(&plan).unwrap();
    std::fs::write(plan.join("20-b.toml"), "[[rule]]\nname = \"second\"\nreject = \"declined\"\n").unwrap();
    std::fs::write(plan.join("10-a.toml"), "[[rule]]\nwhen = { to = \"600\" }\necho = true\n").unwrap();
    std::fs::write(plan.join("expected.toml"), "call = []\n").unwrap();
    std::fs::write(plan.join("notes.txt"), "not a rule").unwrap();
    let text = "dialplan.directory = \"plan\"\n[[rule]]\nreject = \"busy\"\n";
    let config = Config::read("gateway.toml", text, folder.path()).unwrap();
    let alice = Entry::User("alice".into());
    assert_eq!(dial(&config, alice.clone(), "600"), "echo");
    assert_eq!(dial(&config, alice, "echo"), "reject declined");
    assert_eq!((config.rules_before, config.routing.dialplan.rules().len()), (2, 3));
    assert_eq!(config.expected, Some(plan.join("expected.toml")));

    std::fs::write(plan.join("30-c.toml"), "[[rule]]\nreject = \"bussy\"\n").unwrap();
    let said = Config::read("gateway.toml", text, folder.path()).unwrap_err().to_string();
    assert!(said.contains("30-c.toml:2: `reject` is \"bussy\": write one of normal, "), "{said}");
    let said = problems("dialplan.directory = \"/nowhere/at/all\"\n").join("\n");
    assert!(said.starts_with("gateway.toml:1: `/nowhere/at/all` cannot be read: "), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let said = Config::load(Path::new("/nowhere/gateway.toml")).unwrap_err().to_string();
    assert!(said.starts_with("/nowhere/gateway.toml:1: cannot be read: "), "{said}");
}

#[test]
fn every_example_of_the_documents_can_be_read() {
    for text in examples(CONFIGURATION).into_iter().chain(examples(BESIDE)) {
        read(&text.replace("0.0.0.0", "127.0.0.1")).unwrap_or_else(|p| panic!("{p}\n{text}"));
    }
    let users = ["alice".to_owned(), "bob".to_owned()].into();
    let sounds = ["welcome", "music", "closed"].map(str::to_owned).into();
    let trunks = vec!["carrier-a".into(), "carrier-b".into()];
    let names = crate::route::Names { users, trunks, sounds, ..Default::default() };
    let examples = examples(DIALPLAN);
    for rules in &examples[..3] {
        Dialplan::read([("dialplan.md", *rules)], &names).unwrap();
    }
    assert_eq!(crate::route::Expected::read("dialplan.md", examples[3]).unwrap().len(), 3);
}

#[test]
fn every_key_is_in_the_documents() {
    const NOWHERE: &str = "zzzzzzzzzzzzzzzz";
    let mut keys = 0;
    for (section, document) in [
        ("", CONFIGURATION),
        ("[sip]", CONFIGURATION),
        ("[web]", CONFIGURATION),
        ("[media]", CONFIGURATION),
        ("[records]", CONFIGURATION),
        ("[recording]", CONFIGURATION),
        ("[fork]", CONFIGURATION),
        ("[log]", CONFIGURATION),
        ("[limits]", CONFIGURATION),
        ("[dialplan]", CONFIGURATION),
        ("[[sound]]", CONFIGURATION),
        ("[[trunk]]", CONFIGURATION),
        ("[[user]]", CONFIGURATION),
        ("[[xmpp]]", CONFIGURATION),
        ("[[rule]]", DIALPLAN),
        ("[[rule]]\n[rule.when]", DIALPLAN),
    ] {
        let said = problems(&format!("{section}\n{NOWHERE} = 1\n")).join("\n");
        let (_, known) = said.split_once(": known here: ").unwrap();
        for key in known.lines().next().unwrap().split(", ") {
            let heading = format!("[{key}]");
            assert!(document.contains(&format!("`{key}`")) || document.contains(&heading), "{section} {key}");
            keys += 1;
        }
    }
    assert!(keys > 60, "{keys}");
}

/// A second of silence, as the shortest good file there is.
fn wav() -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 8, sample_format };
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    (0..8000).for_each(|_| writer.write_sample(0i8).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

#[test]
fn how_hard_opus_is_encoded_is_read_and_printed() {
    let config = read("media = { opus_complexity = 10, opus_bitrate = 40000 }\n").unwrap();
    assert_eq!((config.media.effort.complexity, config.media.effort.bitrate), (10, Some(40_000)));
    assert_eq!(read(&config.to_toml()).unwrap().media, config.media);
    assert_eq!(read("").unwrap().media.effort, Default::default());
    let told = problems("media = { opus_complexity = 11, opus_bitrate = 5000 }\n");
    assert!(told[0].contains("6000 to 64000") && told[1].contains("0 to 10"), "{told:?}");
}

#[test]
fn sounds_are_read_with_their_files_and_rules_may_name_them() {
    use crate::model::{Sound, Tone};
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hold.wav"), wav()).unwrap();
    let text = "media = { tones = \"US\", hold_music = \"music\" }\n\
        sound = [{ name = \"music\", file = \"hold.wav\" }]\n\
        [[user]]\nname = \"alice\"\npassword = \"long enough\"\n\
        [[rule]]\nwhen = { to = \"600\" }\ndial = \"user:alice\"\nring_back = \"music\"\nannounce = \"tone:busy\"\n\
        [[rule]]\nwhen = { to = \"601\" }\nplay = \"music\"\nreject = \"busy\"\n";
    let config = Config::read("gateway.toml", text, folder.path()).unwrap();
    let music = Sound::Named("music".into());
    assert_eq!(config.routing.hold_music, Some(music.clone()));
    let samples = config.sounds.library.find(&music).unwrap();
    assert_eq!((samples.at(8000).len(), samples.at(16_000).len()), (8000, 16_000));
    let ringing = config.sounds.library.find(&Sound::Tone(Tone::Ringing)).unwrap();
    assert_eq!(ringing.duration(), Duration::from_secs(2), "as in America");
    let printed = config.to_toml();
    let again = Config::read("gateway.toml", &printed, folder.path()).unwrap_or_else(|p| panic!("{p}\n{printed}"));
    let [.., dial, play] = again.routing.dialplan.rules() else { panic!("{printed}") };
    assert_eq!(dial.services.ring_back, Some(music));
    assert_eq!(dial.services.announcement, Some(Sound::Tone(Tone::Busy)));
    let media = dial.then.settings().into_iter().find(|(key, _)| *key == "media");
    assert_eq!(media, Some(("media", "\"relay\"".to_owned())), "what is to be heard goes through the relay");
    assert_eq!(play.then.settings()[0], ("play", "\"music\"".to_owned()));
}

#[test]
fn a_sound_that_cannot_be_read_and_one_that_nobody_knows_are_mistakes_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hold.wav"), wav()).unwrap();
    std::fs::write(folder.path().join("song.mp3"), b"ID3 and so on").unwrap();
    let text = "media = { tones = \"DE\", hold_music = \"musik\" }\n[[sound]]\nname = \"music\"\nfile = \"hold.wav\"\n\
        [[sound]]\nname = \"song\"\nfile = \"song.mp3\"\n[[sound]]\nname = \"gone\"\nfile = \"gone.wav\"\n\
        [[sound]]\nname = \"music\"\n\
        [[rule]]\ndial = \"user:{user}\"\nwhen = { user = \"*\" }\nring_back = \"tone:ring\"\nmedia = \"direct\"\n\
        hold_music = \"song\"\n[[rule]]\necho = true\nannounce = \"song\"\n";
    let said = Config::read("gateway.toml", text, folder.path())
        .unwrap_err()
        .to_string()
        .replace(&folder.path().display().to_string(), "FOLDER");
    let expected = [
        "gateway.toml:1: `hold_music`: there is no sound `musik`: write \"music\"",
        "gateway.toml:1: `tones` is \"DE\": write one of EU, FR, UK, US",
        "gateway.toml:7: `FOLDER/song.mp3` is neither RIFF WAVE nor Ogg: write a .wav or an .opus file",
        "gateway.toml:10: `FOLDER/gone.wav` cannot be read: No such file or directory (os error 2)",
        "gateway.toml:11: a sound needs `file`: the path of a .wav or .opus file",
        "gateway.toml:13: the gateway plays and hears nothing where media go directly: leave `media = \"direct\"` \
         out, or what it is to play or to hear",
        "gateway.toml:16: `ring_back`: there is no tone `ring`: write one of ringing, busy, congestion, recording",
        "gateway.toml:21: this belongs to `dial`: write `dial` too, or `play` to play a sound alone",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_trunk_and_the_telephones_say_each_whether_their_media_are_protected() {
    use crate::model::SrtpPolicy;
    let config = read(&trunk()).unwrap();
    let (sip, carrier) = (&config.sip, &config.sip.trunks["carrier"]);
    assert_eq!((sip.srtp, sip.srtp_over_plain), (SrtpPolicy::Optional, false));
    assert_eq!((carrier.srtp, carrier.srtp_over_plain), (SrtpPolicy::Optional, false));
    let said = trunk()
        .replace("sip.listen", "sip.srtp = \"off\"\nsip.listen")
        .replace("name = \"carrier\"", "name = \"carrier\"\nsrtp = \"required\"\nsrtp_over_plain = true");
    let config = read(&said).unwrap();
    let (sip, carrier) = (&config.sip, &config.sip.trunks["carrier"]);
    assert_eq!((sip.srtp, sip.srtp_over_plain), (SrtpPolicy::Off, false));
    assert_eq!((carrier.srtp, carrier.srtp_over_plain), (SrtpPolicy::Required, true));
    let printed = config.to_toml();
    assert!(printed.contains("srtp = \"required\"\nsrtp_over_plain = true"), "{printed}");
    let again = read(&printed).unwrap().sip;
    assert_eq!((again.srtp, again.trunks["carrier"].srtp_over_plain), (SrtpPolicy::Off, true));
    assert!(again.keep_sending && again.trunks["carrier"].keep_sending);
    let quiet = read(&trunk().replace("name = \"carrier\"", "name = \"carrier\"\nkeep_sending = false")).unwrap();
    assert!(quiet.sip.keep_sending && !quiet.sip.trunks["carrier"].keep_sending);
    assert!(!read(&quiet.to_toml()).unwrap().sip.trunks["carrier"].keep_sending);
    let wrong = said.replace("\"required\"", "\"sometimes\"");
    assert!(problems(&wrong)[0].contains("\"off\", \"optional\" or \"required\""));
}

#[test]
fn where_a_blocked_caller_may_complain_is_an_address_of_https() {
    let with = |address: &str| trunk().replace("sip.listen", &format!("sip.complaints = \"{address}\"\nsip.listen"));
    let config = read(&with("https://example.org/card")).unwrap();
    assert_eq!(config.sip.complaints.as_deref(), Some("https://example.org/card"));
    assert_eq!(read(&config.to_toml()).unwrap().sip.complaints, config.sip.complaints);
    for wrong in ["http://example.org/card", "https://example.org/>;x=", ""] {
        assert!(problems(&with(wrong))[0].contains("may complain"), "{wrong}");
    }
}

#[test]
fn figures_are_shown_nowhere_unless_the_file_says_where_and_never_where_the_page_is() {
    assert_eq!(read("").unwrap().metrics, None);
    let config = read("metrics.listen = \"127.0.0.1:9090\"").unwrap();
    assert_eq!(config.metrics, Some(([127, 0, 0, 1], 9090).into()));
    assert_eq!(read(&config.to_toml()).unwrap().metrics, config.metrics);
    let same = "web.listen = \"127.0.0.1:9090\"\nmetrics.listen = \"127.0.0.1:9090\"";
    assert!(problems(same)[0].contains("a port of their own"));
    assert!(problems("metrics.listen = \"9090\"")[0].contains("an address and a port"));
    assert!(problems("metrics.port = 9090")[0].contains("port"));
}

#[test]
fn whoever_only_asks_the_dialplan_waits_for_no_sound() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hold.wav"), "no sound at all").unwrap();
    let file = folder.path().join("gateway.toml");
    let rule = "[[rule]]\nwhen = { entry = \"user\", to = \"601\" }\nplay = \"hold\"\n";
    let sound = "[[sound]]\nname = \"hold\"\nfile = \"hold.wav\"\n";
    std::fs::write(&file, format!("{sound}{rule}")).unwrap();
    assert!(Config::load(&file).unwrap_err().to_string().contains("hold.wav"));
    let config = Config::load_without_sounds(&file).unwrap();
    assert_eq!(dial(&config, Entry::User("alice".into()), "601"), "play hold");
    std::fs::write(&file, format!("{sound}{}", rule.replace("hold", "fold"))).unwrap();
    assert!(Config::load_without_sounds(&file).unwrap_err().to_string().contains("write \"hold\""));
}

#[test]
fn a_preset_sets_what_is_not_written_beside_it() {
    use crate::sip::config::{IdentityForm, NumberFormat};
    let profile = |more: &str| {
        let text = trunk().replace("name = \"carrier\"\n", &format!("name = \"carrier\"\n{more}\n"));
        let trunk = read(&text).unwrap().sip.trunks["carrier"].clone();
        let form = trunk.identity_form();
        (trunk.profile, form)
    };
    let (plain, form) = profile("");
    assert_eq!((plain.register, plain.health, form), (false, None, IdentityForm::From));
    let (sipconnect, form) = profile("preset = \"sipconnect\"\nnumber_format = \"plain\"");
    assert_eq!((sipconnect.register, form), (true, IdentityForm::Pai));
    assert_eq!(sipconnect.number_format, NumberFormat::Plain);
    let (quiet, form) = profile("preset = \"exchange\"\nhealth = \"15s\"\nidentity = \"ppi\"\nproxy = \"10.0.0.1\"");
    assert_eq!((quiet.health, form), (Some(std::time::Duration::from_secs(15)), IdentityForm::Ppi));
    assert_eq!(quiet.proxy, Some("10.0.0.1".parse().unwrap()));
    let stranger = "[[trunk]]\nname = \"c\"\naddress = \"10.0.0.1\"\nregister = true\n";
    assert!(problems(stranger).join("\n").contains("needs to know as whom"));
}

#[test]
fn ways_of_registering_make_no_sense_where_nobody_registers() {
    for key in ["bulk", "outbound"] {
        let trunk = format!("[[trunk]]\nname = \"c\"\naddress = \"10.0.0.1\"\n{key} = true\n");
        let said = read(&trunk).unwrap_err();
        assert!(said.contains(&format!("`{key}` is a way of registering: write `register = true` too")), "{said}");
        assert!(read(&format!("{trunk}user = \"a\"\npassword = \"b\"\nregister = true\n")).is_ok(), "{key}");
    }
}

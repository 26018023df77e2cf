//! The configuration: one file, checked as a whole before anything starts.
//!
//! `docs/configuration.md` lists every key. What is read here is all there is: a [`Config`] holds the checked
//! configurations of the rooms, and nothing in it can fail later but the world.

mod guarding;
mod identity;
mod metrics;
mod people;
mod print;
mod profile;
mod read;
mod recording;
mod routing;
mod sounds;
#[cfg(test)]
mod tests;
mod transports;
mod users;
mod xmpp;

use sounds::SoundFiles;
pub use sounds::Sounds;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::settings::{MAX_FILE_BYTES, Problem, Problems};
use crate::base::{Dice, Proxies};
use crate::media::config::RelayConfig;
use crate::model::{Address, Directory, Sound};
use crate::route::group::Groups;
use crate::route::{Dialplan, Numbering, guard};
use crate::{jingle, sip, web};

/// The name that rules use for the trunk inside the process.
pub const DEMO_TRUNK: &str = "demo";

/// The letters and digits of a generated password.
const GENERATED_PASSWORD: usize = 16;

/// A configuration that has been checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from; `None` for the one inside the binary.
    pub file: Option<PathBuf>,
    /// SIP: where it listens, and the trunks (the demo trunk is not among them).
    pub sip: sip::config::Config,
    /// The page.
    pub page: Page,
    /// The browsers' endpoint.
    pub web: web::config::Config,
    /// The connections to XMPP servers.
    pub xmpp: jingle::config::Config,
    /// The media plane.
    pub media: RelayConfig,
    /// What can be played.
    pub sounds: Sounds,
    /// The users.
    pub directory: Directory,
    /// Who may call what.
    pub routing: Routing,
    /// The groups of trunks.
    pub groups: Groups,
    /// Where the dialplan's files are; `None` for those inside the binary.
    pub dialplan_directory: Option<PathBuf>,
    /// How many rules stand before those of the configuration file itself.
    pub rules_before: usize,
    /// The dialplan's own test, if it has one.
    pub expected: Option<PathBuf>,
    /// Whether the demo trunk runs, under the name [`DEMO_TRUNK`].
    pub demo: bool,
    /// Where call records are appended, one JSON object a line; `None`: nowhere.
    pub records: Option<PathBuf>,
    /// Where figures are shown to whoever watches the gateway; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// What is logged.
    pub log: Log,
    /// How much is taken.
    pub limits: Limits,
    /// Where the gateway keeps what it makes itself, such as its certificate.
    pub state_directory: PathBuf,
}

/// Where the page is, and what protects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The socket of the page and of the browsers' WebSocket.
    pub listen: SocketAddr,
    /// What protects it.
    pub tls: Tls,
    /// The origins that may connect, beside the page's own.
    pub origins: Vec<String>,
    /// The proxies that are believed when they say whose request they pass on.
    pub proxies: Proxies,
}

/// What protects the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Nothing: on loopback.
    Off,
    /// A certificate that the gateway makes itself at first start, in the state directory.
    SelfSigned,
    /// A given certificate chain and its key, PEM files.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// Who may call what.
#[derive(Debug, Clone)]
pub struct Routing {
    /// The rules.
    pub dialplan: Dialplan,
    /// How numbers are dialled.
    pub numbering: Numbering,
    /// The time zone of `hours`.
    pub time_zone: jiff::tz::TimeZone,
    /// The domains of our XMPP components: `bob@phone.example.org` is our own bob.
    pub domains: Vec<String>,
    /// What whoever is put on hold hears if the rule does not say.
    pub hold_music: Option<Sound>,
    /// What may be used of trunks, against toll fraud.
    pub limits: guard::Limits,
}

impl Routing {
    /// Whom an address means: one at a domain of ours is an address of ours.
    pub fn dialled(&self, to: &Address) -> Address {
        match to.host() {
            Some(host) if self.domains.iter().any(|own| own == host) => Address::here(to.user.clone()),
            _ => to.clone(),
        }
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A filter as `tracing-subscriber` understands it: `info`, `info,patchcord::sip=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most calls at once.
    pub calls: usize,
    /// How long calls may go on once the gateway was told to end.
    pub drain: Duration,
    /// The most new calls that are taken up in a second, whatever they come by; without it as many as can be.
    pub new_calls_per_second: Option<u32>,
}

impl Config {
    /// Reads and checks a file, and the files it names.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load(path: &Path) -> Result<Config, Problems> {
        Config::load_with(path, SoundFiles::Read)
    }

    /// The same without the files of sounds, of which only the names are known: for whoever asks what is decided.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load_without_sounds(path: &Path) -> Result<Config, Problems> {
        Config::load_with(path, SoundFiles::LeftAlone)
    }

    fn load_with(path: &Path, sounds: SoundFiles) -> Result<Config, Problems> {
        let file = path.display().to_string();
        let text = read_file(path).map_err(|text| Problems(vec![Problem { file: file.clone(), line: 1, text }]))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        read::read(&file, &text, &folder, sounds).map(|config| Config { file: Some(path.to_owned()), ..config })
    }

    /// Checks the text of a file; relative paths in it are taken from `folder`.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn read(file: &str, text: &str, folder: &Path) -> Result<Config, Problems> {
        read::read(file, text, folder, SoundFiles::Read)
    }

    /// The configuration for whoever brings none: everything on loopback, the users `web` (the guest of the
    /// page) and `phone` (for a SIP phone) with generated passwords, and the demo trunk.
    ///
    /// # Errors
    /// Never, unless the machine has no usable time zone data or the like.
    pub fn embedded(dice: &mut Dice) -> Result<Config, Problems> {
        let (web, phone) = (dice.token(GENERATED_PASSWORD), dice.token(GENERATED_PASSWORD));
        let text = format!(
            "demo = true\n\
             web.guest = \"web\"\n\
             [[user]]\nname = \"web\"\npassword = \"{web}\"\ndisplay = \"Web\"\n\
             [[user]]\nname = \"phone\"\npassword = \"{phone}\"\ndisplay = \"Phone\"\n"
        );
        read::read("(embedded)", &text, Path::new(""), SoundFiles::Read)
    }

    /// The trunks that rules may name.
    pub fn trunk_names(&self) -> Vec<String> {
        let demo = self.demo.then(|| DEMO_TRUNK.to_owned());
        self.sip.trunks.keys().cloned().chain(demo).collect()
    }

    /// The configuration as a file, with every default filled in and every secret hidden.
    pub fn to_toml(&self) -> String {
        print::print(self)
    }
}

/// Reads a text file of at most [`MAX_FILE_BYTES`]; the error is for a person.
fn read_file(path: &Path) -> Result<String, String> {
    read_long_file(path, MAX_FILE_BYTES)
}

/// The same of at most so many octets.
fn read_long_file(path: &Path, most: usize) -> Result<String, String> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() > most => Err(format!("too large: write at most {most} bytes")),
        Ok(_) => Ok(text),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

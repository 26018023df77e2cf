//! `patchcord trunk test`: a trunk tried step by step, on ports of its own beside a gateway that may run, to the first thing
//! that is wrong.

mod call;
mod ear;
mod talk;
mod words;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::model::Address;
use crate::sip::config::{Config as SipConfig, Trunk};
use crate::sip::driver::line::{self, Line};
use crate::sip::message::NameAddr;
use crate::sip::say;
use crate::sip::trunk::registration::{News, Step};
use crate::sip::trunk::{Instance, Registration};
use crate::switch::config::Config;
use talk::{Broken, Talk};
use words::Wrong;

/// How long a request that is no INVITE waits for its answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the carrier may take to say yes to our going.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// What can be done with a trunk.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Tries a trunk step by step, beside a gateway that may run, and says the first thing that is wrong and what to change.
    Test(Arguments),
}

/// Which one, and how far.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The trunk's name in the configuration
    name: String,
    /// Calls this number, and listens whether sound comes
    #[arg(long, value_name = "NUMBER")]
    call: Option<Address>,
}

/// Does it.
///
/// # Errors
/// The first thing that is wrong, for a person.
pub fn trunk(file: Option<&Path>, command: &Command) -> Result<(), String> {
    let Command::Test(arguments) = command;
    let config = super::load_without_sounds(file)?;
    let name = arguments.name.as_str();
    let Some(trunk) = config.sip.trunks.get(name) else {
        let known: Vec<&str> = config.sip.trunks.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("there is no trunk `{name}` in the configuration; there is: {known}"));
    };
    let number = arguments.call.as_ref().map(|number| {
        let read = config.routing.numbering.read(number);
        Address::here(read.e164.unwrap_or(read.typed.user))
    });
    let tried = super::runtime()?.block_on(try_trunk(&config, name, trunk, number.as_ref()));
    tried.map_err(|wrong| format!("trunk `{name}`: {wrong}"))?;
    super::print("All is well.\n");
    Ok(())
}

/// Tells how a step went.
fn tell(step: &str, how: &str) {
    super::print(&format!("  {step:<10} {how}\n"));
}

async fn try_trunk(config: &Config, name: &str, trunk: &Trunk, number: Option<&Address>) -> Result<(), Wrong> {
    let line = reach(&config.sip, name, trunk).await?;
    let dice = super::dice().map_err(|why| Wrong::new(why, "try again"))?;
    let mut talk = Talk::new(line, &config.sip, trunk, dice);
    let mut registration = None;
    if trunk.profile.register {
        registration = Some(register(&mut talk).await?);
    }
    let tried = speak(config, &mut talk, registration.as_ref(), number).await;
    if let Some(registration) = registration {
        leave(&mut talk, registration).await;
    }
    tried
}

/// Finds the trunk, and opens a way to the first of its addresses that takes one.
async fn reach(config: &SipConfig, name: &str, trunk: &Trunk) -> Result<Line, Wrong> {
    let located = line::locate(config, trunk).await;
    let addresses = located.addresses();
    if addresses.is_empty() {
        return Err(words::not_found(trunk, located.doubtful));
    }
    let named: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    tell("address", &named.join(", "));
    let mut last = None;
    for address in addresses {
        let transport = located.transport_of(&address).unwrap_or(trunk.transport);
        match Line::open(config, name, trunk, transport, address).await {
            Ok(line) => {
                tell("way", &format!("{} to {address}", transport.word()));
                return Ok(line);
            }
            Err(no_line) => {
                let wrong = words::no_line(trunk, transport, address, &no_line);
                if last.is_some() || located.ways.len() > 1 {
                    tell("way", &wrong.what);
                }
                last.get_or_insert(wrong);
            }
        }
    }
    Err(last.unwrap_or_else(|| words::not_found(trunk, false)))
}

async fn register(talk: &mut Talk<'_>) -> Result<Registration, Wrong> {
    let trunk = talk.trunk;
    // An instance of its own: that of the gateway would take the place of its registration.
    let instance = Instance::random(&mut talk.dice);
    let mut registration = Registration::new(Instant::now(), trunk, instance, &mut talk.dice);
    loop {
        let request = registration.request(talk.line.flow, talk.contact(), &say::by_proxy(trunk));
        let mut request = talk.signed(request);
        let answer = talk.ask(&mut request, PATIENCE, |_| ()).await;
        let response = answer.map_err(|broken| words::broken("the registration", talk, &broken))?;
        match registration.handle_response(Instant::now(), &response, trunk, &mut talk.dice) {
            Some(Step::Ask) => {}
            Some(Step::AskPlainly) => tell("outbound", words::NO_FLOWS),
            Some(Step::Tell(News::Registered { expires_s, unkept, .. })) => {
                let who = registration.account().unwrap_or_default();
                tell("registered", &format!("as {who}, for {expires_s} s"));
                match registration.held().and_then(|held| held.kept) {
                    Some(kept) => tell("outbound", &words::kept(kept)),
                    None if unkept => tell("outbound", words::UNKEPT),
                    None => {}
                }
                return Ok(registration);
            }
            Some(Step::Tell(News::Failed { why, .. })) => return Err(words::unregistered(trunk, &response, &why)),
            Some(Step::Tell(News::Lapsed | News::Left | News::FlowFailed { .. })) | None => {
                return Err(words::unregistered(trunk, &response, "the registration came to nothing"));
            }
        }
    }
}

/// Signs off what was registered for the trial. A gateway that runs has a registration of its own, and keeps it.
async fn leave(talk: &mut Talk<'_>, mut registration: Registration) {
    let mut step = registration.leave();
    while let Some(Step::Ask | Step::AskPlainly) = step {
        let request = registration.request(talk.line.flow, talk.contact(), &say::by_proxy(talk.trunk));
        let mut request = talk.signed(request);
        let Ok(response) = talk.ask(&mut request, LEAVE_PATIENCE, |_| ()).await else { return };
        step = registration.handle_response(Instant::now(), &response, talk.trunk, &mut talk.dice);
    }
}

/// Asks whether the trunk is there, and calls.
async fn speak(
    config: &Config,
    talk: &mut Talk<'_>,
    registration: Option<&Registration>,
    number: Option<&Address>,
) -> Result<(), Wrong> {
    let held = registration.and_then(Registration::held).map(|held| held.routes.clone()).unwrap_or_default();
    let routes: Vec<NameAddr> = if held.is_empty() { say::by_proxy(talk.trunk) } else { held };
    options(talk, &routes, registration.is_some()).await?;
    match number {
        Some(number) => call::call(config, talk, number, &routes).await,
        None => Ok(()),
    }
}

/// RFC 3261 §11. Any answer is one; that a registrar keeps silent matters only where its health is asked after.
async fn options(talk: &mut Talk<'_>, routes: &[NameAddr], is_registered: bool) -> Result<(), Wrong> {
    let mut request = talk.options(routes);
    match talk.ask(&mut request, PATIENCE, |_| ()).await {
        Ok(response) => {
            let said = words::said(&response);
            tell("OPTIONS", &said);
            match response.code() {
                408 | 503 | 504 => Err(words::not_there(&said)),
                _ => Ok(()),
            }
        }
        Err(Broken::Silent { .. }) if is_registered && talk.trunk.profile.health.is_none() => {
            tell("OPTIONS", "no answer: do not write `health` for this trunk");
            Ok(())
        }
        Err(broken) => Err(words::broken("OPTIONS", talk, &broken)),
    }
}

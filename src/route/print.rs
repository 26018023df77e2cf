//! Rules as they could be written.

use std::fmt;

use super::plan::{TargetName, Then, When};
use super::template::{Piece, Template};
use crate::base::settings::print_duration;
use crate::model::MediaPolicy;

impl When {
    /// The conditions, each with its key, in the order in which they are looked at.
    pub fn conditions(&self) -> impl Iterator<Item = (&'static str, String)> {
        let entry = self.entry.as_ref().map(ToString::to_string);
        let pattern = |p: &Option<super::pattern::Pattern>| p.as_ref().map(ToString::to_string);
        let hours = self.hours.as_ref().map(ToString::to_string);
        let all = [
            ("entry", entry),
            ("from", pattern(&self.from)),
            ("to", pattern(&self.to)),
            ("user", pattern(&self.user)),
            ("meant_for", pattern(&self.meant_for)),
            ("hours", hours),
        ];
        all.into_iter().filter_map(|(key, value)| value.map(|v| (key, v)))
    }
}

impl Then {
    /// What is done, as keys and values of TOML.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        match self {
            Then::Echo => vec![("echo", "true".to_owned())],
            Then::Play { sound, reject } => {
                let sound = ("play", format!("\"{sound}\""));
                std::iter::once(sound).chain(reject.map(|cause| ("reject", format!("\"{cause}\"")))).collect()
            }
            Then::Reject(cause) => vec![("reject", format!("\"{cause}\""))],
            Then::Dial { targets, number, parallel, ring, media } => {
                let names: Vec<String> = targets.iter().map(|t| format!("\"{t}\"")).collect();
                let mut all = vec![("dial", format!("[{}]", names.join(", ")))];
                if *number != Template::default() {
                    all.push(("number", format!("\"{number}\"")));
                }
                if *parallel {
                    all.push(("parallel", "true".to_owned()));
                }
                all.push(("ring", format!("\"{}\"", print_duration(*ring))));
                if *media != MediaPolicy::default() {
                    all.push(("media", format!("\"{}\"", media.name())));
                }
                all
            }
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetName::User(name) => write!(f, "user:{name}"),
            TargetName::Callee => f.write_str("user:{user}"),
            TargetName::Trunk(name) => write!(f, "trunk:{name}"),
            TargetName::Group(group) => write!(f, "group:{}", group.name),
            TargetName::Xmpp(jid) => write!(f, "xmpp:{jid}"),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().iter().try_for_each(|piece| {
            f.write_str(match piece {
                Piece::Literal(literal) => literal,
                Piece::E164 => "{e164}",
                Piece::Digits => "{digits}",
                Piece::National => "{national}",
                Piece::Dialled => "{dialled}",
                Piece::Rest => "{rest}",
            })
        })
    }
}

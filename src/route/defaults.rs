//! The dialplan inside the binary.

/// The files that hold for everybody who does not bring a dialplan, in order: emergency numbers and our own
/// people.
pub const FILES: [(&str, &str); 2] = [
    ("00-emergency.toml", include_str!("../../dialplans/00-emergency.toml")),
    ("10-users.toml", include_str!("../../dialplans/10-users.toml")),
];

/// The file that lets users call XMPP accounts, where there is a connection to an XMPP server.
pub const IM_FILE: (&str, &str) = ("15-im.toml", include_str!("../../dialplans/15-im.toml"));

/// The file that sends demonstration numbers to the demo trunk, where there is one.
pub const DEMO_FILE: (&str, &str) = ("20-pstn.toml", include_str!("../../dialplans/20-pstn.toml"));

/// What the files decide, for the users `web` and `phone` and the trunk `demo`.
pub const EXPECTED: (&str, &str) = ("expected.toml", include_str!("../../dialplans/expected.toml"));

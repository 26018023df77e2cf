//! The softphone page and the module that speaks the protocol, embedded.

/// A file that a browser loads.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Where it is.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// The file.
    pub body: &'static [u8],
    /// Whether pages of other origins may import it, where the configuration lists them.
    pub shared: bool,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $file:literal, $content_type:expr, $shared:literal) => {
        Asset {
            path: $path,
            content_type: $content_type,
            body: include_bytes!(concat!("softphone/", $file)),
            shared: $shared,
        }
    };
}

/// Every file.
pub const ASSETS: [Asset; 18] = [
    asset!("/", "index.html", "text/html; charset=utf-8", false),
    asset!("/phone.css", "phone.css", "text/css; charset=utf-8", false),
    asset!("/whole.js", "whole.js", JAVASCRIPT, false),
    asset!("/icon.svg", "icon.svg", "image/svg+xml", false),
    asset!("/phone.js", "phone.js", JAVASCRIPT, false),
    asset!("/calls.js", "calls.js", JAVASCRIPT, false),
    asset!("/chat.js", "chat.js", JAVASCRIPT, false),
    asset!("/desk.js", "desk.js", JAVASCRIPT, false),
    asset!("/devices.js", "devices.js", JAVASCRIPT, false),
    asset!("/dialling.js", "dialling.js", JAVASCRIPT, false),
    asset!("/room.js", "room.js", JAVASCRIPT, false),
    asset!("/show.js", "show.js", JAVASCRIPT, false),
    asset!("/tones.js", "tones.js", JAVASCRIPT, false),
    asset!("/patchcord.js", "patchcord.js", JAVASCRIPT, true),
    asset!("/patchcord-call.js", "patchcord-call.js", JAVASCRIPT, true),
    asset!("/patchcord-exchange.js", "patchcord-exchange.js", JAVASCRIPT, true),
    asset!("/patchcord-tracks.js", "patchcord-tracks.js", JAVASCRIPT, true),
    asset!("/patchcord-base.js", "patchcord-base.js", JAVASCRIPT, true),
];

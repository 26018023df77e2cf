//! XMPP with Jingle (XEP-0166): what an IM client says, as signals, and back.
//!
//! Floor 3. May import: base, model.
//!
//! ```text
//!   driver: a stream a connection (XEP-0114 component, or client login)      elements ⇅
//!   endpoint: which stanza is whose                                          Input, Output
//!     ├─ contact   presence, disco, caps, the gateway's prompt: being a good contact
//!     ├─ session   one call: propose (XEP-0353), session (XEP-0166), contents    Signal ⇅
//!     └─ text      messages and their errors                                     Text ⇅
//!   contents: Description ⇄ contents        stanza: the elements as types, one file a XEP
//! ```

pub mod address;
pub mod config;
pub mod contact;
pub mod contents;
pub mod driver;
pub mod endpoint;
pub mod session;
pub mod stanza;
pub mod text;

//! Header names (RFC 3261 §20, §7.3.3 for the compact forms).

use std::fmt;

use super::Text;

macro_rules! names {
    ($($variant:ident $canonical:literal $lower:literal $($compact:literal)?;)*) => {
        /// The name of a header, whatever its case and form on the wire.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Name {
            $(#[doc = concat!("`", $canonical, "`")] $variant,)*
            /// Any other, spelt as the peer spelt it.
            Other(Text),
        }

        impl Name {
            /// The name as it is written on the wire: the long form for names we know.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Name::$variant => $canonical,)*
                    Name::Other(text) => text.as_str(),
                }
            }

            fn known(lower: &[u8]) -> Option<Name> {
                match lower {
                    $($lower => Some(Name::$variant),)*
                    _ => None,
                }
            }

            fn compact(letter: u8) -> Option<Name> {
                match letter {
                    $($($compact => Some(Name::$variant),)?)*
                    _ => None,
                }
            }
        }
    };
}

names! {
    Via "Via" b"via" b'v';
    From "From" b"from" b'f';
    To "To" b"to" b't';
    CallId "Call-ID" b"call-id" b'i';
    CSeq "CSeq" b"cseq";
    Contact "Contact" b"contact" b'm';
    MaxForwards "Max-Forwards" b"max-forwards";
    ContentLength "Content-Length" b"content-length" b'l';
    ContentType "Content-Type" b"content-type" b'c';
    Route "Route" b"route";
    RecordRoute "Record-Route" b"record-route";
    Allow "Allow" b"allow";
    Supported "Supported" b"supported" b'k';
    Require "Require" b"require";
    UserAgent "User-Agent" b"user-agent";
    Server "Server" b"server";
    Expires "Expires" b"expires";
    Authorization "Authorization" b"authorization";
    ProxyAuthorization "Proxy-Authorization" b"proxy-authorization";
    WwwAuthenticate "WWW-Authenticate" b"www-authenticate";
    ProxyAuthenticate "Proxy-Authenticate" b"proxy-authenticate";
    AuthenticationInfo "Authentication-Info" b"authentication-info";
    Accept "Accept" b"accept";
    AcceptContact "Accept-Contact" b"accept-contact" b'a';
    AcceptEncoding "Accept-Encoding" b"accept-encoding";
    AcceptLanguage "Accept-Language" b"accept-language";
    AlertInfo "Alert-Info" b"alert-info";
    AllowEvents "Allow-Events" b"allow-events" b'u';
    CallInfo "Call-Info" b"call-info";
    ContentDisposition "Content-Disposition" b"content-disposition";
    ContentEncoding "Content-Encoding" b"content-encoding" b'e';
    ContentLanguage "Content-Language" b"content-language";
    Date "Date" b"date";
    Diversion "Diversion" b"diversion";
    ErrorInfo "Error-Info" b"error-info";
    Event "Event" b"event" b'o';
    FlowTimer "Flow-Timer" b"flow-timer";
    HistoryInfo "History-Info" b"history-info";
    Identity "Identity" b"identity" b'y';
    InReplyTo "In-Reply-To" b"in-reply-to";
    MimeVersion "MIME-Version" b"mime-version";
    MinExpires "Min-Expires" b"min-expires";
    MinSe "Min-SE" b"min-se";
    Organization "Organization" b"organization";
    Path "Path" b"path";
    PAssertedIdentity "P-Asserted-Identity" b"p-asserted-identity";
    PPreferredIdentity "P-Preferred-Identity" b"p-preferred-identity";
    RemotePartyId "Remote-Party-ID" b"remote-party-id";
    Priority "Priority" b"priority";
    Privacy "Privacy" b"privacy";
    ProxyRequire "Proxy-Require" b"proxy-require";
    RAck "RAck" b"rack";
    Reason "Reason" b"reason";
    ReferTo "Refer-To" b"refer-to" b'r';
    ReferredBy "Referred-By" b"referred-by" b'b';
    RejectContact "Reject-Contact" b"reject-contact" b'j';
    Replaces "Replaces" b"replaces";
    ReplyTo "Reply-To" b"reply-to";
    RequestDisposition "Request-Disposition" b"request-disposition" b'd';
    RetryAfter "Retry-After" b"retry-after";
    RSeq "RSeq" b"rseq";
    ServiceRoute "Service-Route" b"service-route";
    SessionExpires "Session-Expires" b"session-expires" b'x';
    SessionId "Session-ID" b"session-id";
    Subject "Subject" b"subject" b's';
    SubscriptionState "Subscription-State" b"subscription-state";
    Timestamp "Timestamp" b"timestamp";
    Unsupported "Unsupported" b"unsupported";
    Warning "Warning" b"warning";
}

/// No name we know is longer.
const LONGEST_KNOWN: usize = 24;

impl Name {
    /// Reads a name, in any case, long or compact.
    pub fn read(text: &Text) -> Name {
        Name::look_up(text.as_bytes()).unwrap_or_else(|| Name::Other(text.clone()))
    }

    pub(super) fn look_up(raw: &[u8]) -> Option<Name> {
        if let [letter] = raw {
            return Name::compact(letter.to_ascii_lowercase());
        }
        let mut lower = [0; LONGEST_KNOWN];
        let lower = lower.get_mut(..raw.len())?;
        lower.copy_from_slice(raw);
        lower.make_ascii_lowercase();
        Name::known(lower)
    }

    /// Whether the two are the same header.
    pub fn is(&self, other: &Name) -> bool {
        match (self, other) {
            (Name::Other(a), Name::Other(b)) => a.as_bytes().eq_ignore_ascii_case(b.as_bytes()),
            _ => self == other,
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name::look_up(text.as_bytes()).unwrap_or_else(|| Name::Other(text.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

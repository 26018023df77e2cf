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

            fn known(lower: &str) -> Option<Name> {
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
    Via "Via" "via" b'v';
    From "From" "from" b'f';
    To "To" "to" b't';
    CallId "Call-ID" "call-id" b'i';
    CSeq "CSeq" "cseq";
    Contact "Contact" "contact" b'm';
    MaxForwards "Max-Forwards" "max-forwards";
    ContentLength "Content-Length" "content-length" b'l';
    ContentType "Content-Type" "content-type" b'c';
    Route "Route" "route";
    RecordRoute "Record-Route" "record-route";
    Allow "Allow" "allow";
    Supported "Supported" "supported" b'k';
    Require "Require" "require";
    UserAgent "User-Agent" "user-agent";
    Server "Server" "server";
    Expires "Expires" "expires";
    Authorization "Authorization" "authorization";
    ProxyAuthorization "Proxy-Authorization" "proxy-authorization";
    WwwAuthenticate "WWW-Authenticate" "www-authenticate";
    ProxyAuthenticate "Proxy-Authenticate" "proxy-authenticate";
    AuthenticationInfo "Authentication-Info" "authentication-info";
    Accept "Accept" "accept";
    AcceptContact "Accept-Contact" "accept-contact" b'a';
    AcceptEncoding "Accept-Encoding" "accept-encoding";
    AcceptLanguage "Accept-Language" "accept-language";
    AlertInfo "Alert-Info" "alert-info";
    AllowEvents "Allow-Events" "allow-events" b'u';
    CallInfo "Call-Info" "call-info";
    ContentDisposition "Content-Disposition" "content-disposition";
    ContentEncoding "Content-Encoding" "content-encoding" b'e';
    ContentLanguage "Content-Language" "content-language";
    Date "Date" "date";
    Diversion "Diversion" "diversion";
    ErrorInfo "Error-Info" "error-info";
    Event "Event" "event" b'o';
    FlowTimer "Flow-Timer" "flow-timer";
    HistoryInfo "History-Info" "history-info";
    Identity "Identity" "identity" b'y';
    InReplyTo "In-Reply-To" "in-reply-to";
    MimeVersion "MIME-Version" "mime-version";
    MinExpires "Min-Expires" "min-expires";
    MinSe "Min-SE" "min-se";
    Organization "Organization" "organization";
    Path "Path" "path";
    PAssertedIdentity "P-Asserted-Identity" "p-asserted-identity";
    PPreferredIdentity "P-Preferred-Identity" "p-preferred-identity";
    RemotePartyId "Remote-Party-ID" "remote-party-id";
    Priority "Priority" "priority";
    Privacy "Privacy" "privacy";
    ProxyRequire "Proxy-Require" "proxy-require";
    RAck "RAck" "rack";
    Reason "Reason" "reason";
    ReferTo "Refer-To" "refer-to" b'r';
    ReferredBy "Referred-By" "referred-by" b'b';
    RejectContact "Reject-Contact" "reject-contact" b'j';
    Replaces "Replaces" "replaces";
    ReplyTo "Reply-To" "reply-to";
    RequestDisposition "Request-Disposition" "request-disposition" b'd';
    RetryAfter "Retry-After" "retry-after";
    RSeq "RSeq" "rseq";
    ServiceRoute "Service-Route" "service-route";
    SessionExpires "Session-Expires" "session-expires" b'x';
    SessionId "Session-ID" "session-id";
    Subject "Subject" "subject" b's';
    SubscriptionState "Subscription-State" "subscription-state";
    Timestamp "Timestamp" "timestamp";
    Unsupported "Unsupported" "unsupported";
    Warning "Warning" "warning";
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
        Name::known(std::str::from_utf8(lower).ok()?)
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

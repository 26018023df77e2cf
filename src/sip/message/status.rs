//! Reason phrases.

use super::Text;
use rsip::StatusCode;

/// The reason phrase of a status code, in the RFC's words. `rsip` prints its variants' names
/// ("486 BusyHere"), so the words are cut out of them; the few that have other punctuation are listed.
pub fn reason_phrase(status: &StatusCode) -> Text {
    Text::fixed(match status {
        StatusCode::OK => "OK",
        StatusCode::Trying => "Trying",
        StatusCode::Ringing => "Ringing",
        StatusCode::SessionProgress => "Session Progress",
        StatusCode::RequestUriTooLong => "Request-URI Too Long",
        StatusCode::UnsupportedUriScheme => "Unsupported URI Scheme",
        StatusCode::CallTransactionDoesNotExist => "Call/Transaction Does Not Exist",
        StatusCode::ServerTimeOut => "Server Time-out",
        StatusCode::UnknownResourcePriority => "Unknown Resource-Priority",
        StatusCode::NotAcceptableGlobal => "Not Acceptable",
        StatusCode::Other(_, words) => return words.as_str().into(),
        named => {
            let printed = named.to_string();
            let mut phrase = String::with_capacity(printed.len() + 4);
            for c in printed.chars().skip_while(|c| !c.is_ascii_alphabetic()) {
                if c.is_ascii_uppercase() && !phrase.is_empty() {
                    phrase.push(' ');
                }
                phrase.push(c);
            }
            return phrase.into();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_phrases_are_the_words_of_the_standard() {
        for (code, words) in [
            (200, "OK"),
            (181, "Call Is Being Forwarded"),
            (486, "Busy Here"),
            (481, "Call/Transaction Does Not Exist"),
            (500, "Server Internal Error"),
            (606, "Not Acceptable"),
        ] {
            assert_eq!(reason_phrase(&StatusCode::from(code)), words);
        }
    }
}

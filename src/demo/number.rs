//! The numbers that the demo trunk answers.

/// What happens on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plot {
    /// Rings audibly, answers, plays music, reads keys back; `#` says goodbye.
    Greeting,
    /// 486.
    Busy,
    /// Rings, and nobody answers.
    NoAnswer,
    /// 603 after a moment.
    Decline,
    /// 404.
    Unknown,
    /// Answers at once and sends back what it hears.
    Echo,
    /// Answers at once and sends a steady tone.
    Tone,
    /// Answers at once and hangs up soon after.
    Brief,
}

/// One number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// In international form: `+15550100`.
    pub number: &'static str,
    /// What happens there.
    pub plot: Plot,
    /// The same in one sentence, for people.
    pub sentence: &'static str,
}

const fn number(number: &'static str, plot: Plot, sentence: &'static str) -> Number {
    Number { number, plot, sentence }
}

/// All numbers there are.
pub const NUMBERS: [Number; 8] = [
    number("+15550100", Plot::Greeting, "rings, answers with music, reads your keys back; # says goodbye"),
    number("+15550101", Plot::Busy, "is always busy"),
    number("+15550102", Plot::NoAnswer, "rings and is never answered"),
    number("+15550103", Plot::Decline, "declines after a moment"),
    number("+15550104", Plot::Unknown, "does not exist"),
    number("+15550105", Plot::Echo, "answers at once and echoes what you say"),
    number("+15550106", Plot::Tone, "answers at once with a steady tone"),
    number("+15550107", Plot::Brief, "answers at once and hangs up after two seconds"),
];

/// The number that was dialled, with or without `+`, `00` and visual separators (RFC 3966 §5.1.1).
pub fn dialled(user: &str) -> Option<&'static Number> {
    let digits: String = user.chars().filter(|c| !"-.() ".contains(*c)).collect();
    let digits = digits.strip_prefix('+').or(digits.strip_prefix("00")).unwrap_or(&digits);
    NUMBERS.iter().find(|n| n.number.strip_prefix('+') == Some(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_however_it_is_written() {
        for user in ["+15550105", "15550105", "0015550105", "+1-555-0105", "+1 (555) 0105"] {
            assert_eq!(dialled(user).map(|n| n.plot), Some(Plot::Echo), "{user}");
        }
        for user in ["", "+", "alice", "5550105", "+155501055"] {
            assert_eq!(dialled(user), None, "{user}");
        }
    }
}

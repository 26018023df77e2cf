//! Personal data in logs.

use std::fmt;

/// A person's number, name or address. Prints only its last two characters, so that a log line can be told
/// from another without telling who called whom; the whole value is for `debug` level and below, and for
/// call records, by [`Pii::expose`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pii<T>(pub T);

impl<T> Pii<T> {
    /// The value itself, for levels at which personal data may be logged.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let count = text.chars().count();
        if count <= 4 {
            return f.write_str("…");
        }
        f.write_str("…")?;
        text.chars().skip(count - 2).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl<T: fmt::Display> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_the_tail_of_a_number() {
        assert_eq!(Pii("+4930123456").to_string(), "…56");
        assert_eq!(format!("{:?}", Pii("bob")), "…");
    }
}

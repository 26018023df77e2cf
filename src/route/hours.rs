//! Hours of the week.

use std::fmt;

const DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

/// The most spans of one `hours`.
pub const MAX_SPANS: usize = 32;

/// A minute of the week, local to the dialplan: 0 is Monday 00:00, 10 079 Sunday 23:59.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    /// Minutes in a week.
    pub const WEEK: u16 = 7 * DAY;

    /// The minute of a day (0 is Monday) at an hour and a minute; what is too large wraps round.
    pub fn of(day: u8, hour: u8, minute: u8) -> Minute {
        let minutes = u32::from(day) * u32::from(DAY) + u32::from(hour) * 60 + u32::from(minute);
        Minute((minutes % u32::from(Minute::WEEK)) as u16)
    }

    /// Reads `Mo 10:00`.
    pub fn read(text: &str) -> Option<Minute> {
        let (day, time) = text.trim().split_once(' ')?;
        let minutes = read_time(time.trim()).filter(|m| *m < DAY)?;
        Some(Minute(read_day(day)? * DAY + minutes))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAYS.get(usize::from(self.0 / DAY)).unwrap_or(&"");
        write!(f, "{day} {:02}:{:02}", self.0 % DAY / 60, self.0 % 60)
    }
}

/// When a rule holds: `Mo-Fr 08:00-18:00, Sa 09:00-12:00`. Days without times mean the whole day, times
/// without days every day. A span that ends before it begins ends on the next day; the end is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    text: String,
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// A bit a day, Monday the lowest.
    days: u8,
    /// Minutes of the day.
    from: u16,
    /// Minutes since the beginning of the day on which the span begins; beyond one day for the next one.
    until: u16,
}

impl Hours {
    /// Reads hours; `None` if the text means none.
    pub fn read(text: &str) -> Option<Hours> {
        let spans: Vec<Span> = text.split(',').map(read_span).collect::<Option<_>>()?;
        (spans.len() <= MAX_SPANS).then(|| Hours { text: text.to_owned(), spans })
    }

    /// Whether the minute is within.
    pub fn contain(&self, at: Minute) -> bool {
        let (day, minute) = (at.0 / DAY, at.0 % DAY);
        let day_before = (day + 6) % 7;
        self.spans.iter().any(|span| {
            let today = span.days & (1 << day) != 0 && (span.from..span.until).contains(&minute);
            let since_yesterday = span.days & (1 << day_before) != 0 && minute + DAY < span.until;
            today || since_yesterday
        })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn read_span(text: &str) -> Option<Span> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let (days, times) = match (read_days(first), second) {
        (Some(days), Some(times)) => (days, read_times(times)?),
        (Some(days), None) => (days, (0, DAY)),
        (None, None) => (0x7f, read_times(first)?),
        (None, Some(_)) => return None,
    };
    Some(Span { days, from: times.0, until: times.1 })
}

fn read_days(text: &str) -> Option<u8> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (read_day(first)?, read_day(last)?),
        None => (read_day(text)?, read_day(text)?),
    };
    let count = (last + 7 - first) % 7;
    Some((0..=count).fold(0, |days, n| days | 1 << ((first + n) % 7)))
}

fn read_day(text: &str) -> Option<u16> {
    DAYS.iter().position(|d| d.eq_ignore_ascii_case(text)).and_then(|d| u16::try_from(d).ok())
}

fn read_times(text: &str) -> Option<(u16, u16)> {
    let (from, until) = text.split_once('-')?;
    let (from, until) = (read_time(from)?, read_time(until)?);
    if from == DAY || from == until {
        return None;
    }
    Some((from, if until < from { until + DAY } else { until }))
}

fn read_time(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number =
        |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn holds_within_and_not_beyond() {
        for (hours, yes, no) in [
            (
                "Mo-Fr 08:00-18:00, Sa 09:00-12:00",
                &["Mo 08:00", "Fr 17:59", "Sa 09:00"][..],
                &["Mo 07:59", "Fr 18:00", "Sa 12:00", "Su 10:00"][..],
            ),
            ("22:00-06:00", &["Mo 22:00", "Tu 05:59", "Mo 00:00", "Su 23:59"], &["Mo 06:00", "Mo 21:59"]),
            ("Su 22:00-06:00", &["Su 22:00", "Mo 05:59"], &["Mo 22:00", "Su 05:59"]),
            ("Sa-Mo", &["Sa 00:00", "Su 12:00", "Mo 23:59"], &["Tu 00:00", "Fr 23:59"]),
            ("we 00:00-24:00", &["We 00:00", "We 23:59"], &["Th 00:00"]),
        ] {
            let read = Hours::read(hours).unwrap();
            for at in yes {
                assert!(read.contain(Minute::read(at).unwrap()), "{hours}: {at}");
            }
            for at in no {
                assert!(!read.contain(Minute::read(at).unwrap()), "{hours}: {at}");
            }
        }
    }

    #[test]
    fn what_means_no_hours_is_refused() {
        for wrong in
            ["", "Mo-Fr 8-18", "Mo 08:00", "Mon", "08:00-08:00", "Mo 24:00-25:00", "Mo 08:60-09:00", "Mo,,Tu", "a b c"]
        {
            assert_eq!(Hours::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_minute_prints_as_it_is_read() {
        for text in ["Mo 00:00", "We 13:37", "Su 23:59"] {
            assert_eq!(Minute::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Minute::of(6, 23, 59).to_string(), "Su 23:59");
        assert_eq!(Minute::of(255, 255, 255), Minute::of(255, 255, 255));
    }
}

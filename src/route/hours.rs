//! Hours of the week.

/// A minute of the week, local to the dialplan: 0 is Monday 00:00, 10 079 Sunday 23:59.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    /// Minutes in a week.
    pub const WEEK: u16 = 7 * 24 * 60;

    /// The minute of a day (0 is Monday) at an hour and a minute; what is too large wraps round.
    pub fn of(day: u8, hour: u8, minute: u8) -> Minute {
        let minutes = u32::from(day) * 24 * 60 + u32::from(hour) * 60 + u32::from(minute);
        Minute((minutes % u32::from(Minute::WEEK)) as u16)
    }
}

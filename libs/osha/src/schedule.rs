//! When a rule holds: days of the week and hours of the day.

use serde::{Deserialize, Serialize};

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// Monday to Sunday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The day before.
    fn before(self) -> Self {
        Self::ALL[(self as usize + 6) % 7]
    }
}

/// The site's own time, as clocks on its walls show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The day.
    pub day: Weekday,
    /// Minutes since midnight, below 1440.
    pub minute: u16,
}

impl LocalTime {
    /// From seconds since the Unix epoch, with the site's offset from UTC added by the caller.
    pub fn from_unix(seconds: i64) -> Self {
        let day = Weekday::ALL[(seconds.div_euclid(86_400) + 3).rem_euclid(7) as usize];
        Self { day, minute: (seconds.rem_euclid(86_400) / 60) as u16 }
    }

    /// Hours since midnight with their fraction.
    pub fn hour(self) -> f32 {
        f32::from(self.minute) / 60.0
    }
}

/// Hours of some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Days on which it begins.
    pub days: Vec<Weekday>,
    /// The first minute of the day.
    pub from: u16,
    /// The minute after the last; at or before `from` it means the next day.
    pub to: u16,
}

impl Schedule {
    /// Whether it holds at `time`.
    pub fn holds(&self, time: LocalTime) -> bool {
        let begins = |day: Weekday| self.days.contains(&day);
        if self.from < self.to {
            return begins(time.day) && (self.from..self.to).contains(&time.minute);
        }
        (begins(time.day) && time.minute >= self.from) || (begins(time.day.before()) && time.minute < self.to)
    }
}

/// Minutes since midnight of a time such as `06:30`; `24:00` is the end of the day.
pub(crate) fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())
            .flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 1440).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Weekday::*;

    fn at(day: Weekday, time: &str) -> LocalTime {
        LocalTime { day, minute: minutes(time).unwrap() }
    }

    #[test]
    fn a_day_shift_holds_in_its_hours() {
        let shift = Schedule { days: vec![Mon, Tue], from: 360, to: 1080 };
        for (time, expected) in [
            (at(Mon, "06:00"), true),
            (at(Mon, "05:59"), false),
            (at(Tue, "17:59"), true),
            (at(Tue, "18:00"), false),
            (at(Wed, "12:00"), false),
        ] {
            assert_eq!(shift.holds(time), expected, "{time:?}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = Schedule { days: vec![Sun], from: 22 * 60, to: 6 * 60 };
        assert!(night.holds(at(Sun, "22:00")) && night.holds(at(Mon, "05:59")));
        assert!(!night.holds(at(Sun, "05:00")) && !night.holds(at(Mon, "22:00")));
    }

    #[test]
    fn equal_hours_are_a_whole_day() {
        let day = Schedule { days: vec![Sat], from: 0, to: 0 };
        assert!(day.holds(at(Sat, "00:00")) && day.holds(at(Sat, "23:59")) && !day.holds(at(Sun, "00:00")));
    }

    #[test]
    fn times_are_two_digits_each() {
        assert_eq!((minutes("06:30"), minutes("24:00")), (Some(390), Some(1440)));
        for text in ["6:30", "06:60", "24:01", "", ":", "aa:bb", "+1:00", "06:30:00"] {
            assert_eq!(minutes(text), None, "{text}");
        }
    }

    #[test]
    fn the_epoch_was_a_thursday() {
        assert_eq!(LocalTime::from_unix(0), at(Thu, "00:00"));
        assert_eq!(LocalTime::from_unix(-60), at(Wed, "23:59"));
        assert_eq!(LocalTime::from_unix(86_400 * 4 + 3_600), at(Mon, "01:00"));
    }
}

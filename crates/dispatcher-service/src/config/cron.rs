//! Cron patterns and time zones: what they mean, and what is wrong with them.
//!
//! A pattern has five fields, or six with seconds first, in the common (Vixie) reading: `*`, lists, ranges, steps, names,
//! `@daily` and its like. In a time zone that changes its clocks, a fixed time that the change leaves out runs right after
//! it, and one that comes twice runs once. Where it stands: read by `rules` and `build`, asked by the timetables.

use std::fmt;

use croner::parser::{CronParser, Seconds};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One pattern in its time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: croner::Cron,
    text: String,
    zone: TimeZone,
    zone_name: String,
}

impl Cron {
    /// Reads a pattern, and the name of a time zone (`Europe/Berlin`). Says what is wrong with either, or that the
    /// pattern never comes true.
    pub fn parse(pattern: &str, zone: &str) -> Result<Self, String> {
        let parsed = CronParser::builder()
            .seconds(Seconds::Optional)
            .build()
            .parse(pattern)
            .map_err(|error| format!("{pattern:?} is no cron pattern: {error}"))?;
        let found = TimeZone::get(zone).map_err(|_| format!("there is no time zone {zone:?}"))?;
        let cron =
            Self { pattern: parsed, text: pattern.to_owned(), zone: found, zone_name: zone.to_owned() };
        match cron.after(Timestamp::now()) {
            Some(_) => Ok(cron),
            None => Err(format!("{pattern:?} never comes true")),
        }
    }

    /// The next time after this one; none when there is no more.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let next = self.pattern.find_next_occurrence(&time.to_zoned(self.zone.clone()), false);
        next.ok().map(|next| next.timestamp()).filter(|next| *next > time)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.zone_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pattern: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(pattern, zone).unwrap();
        let mut time: Timestamp = after.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            time = cron.after(time).unwrap();
            found.push(time.to_string());
        }
        found
    }

    #[test]
    fn a_pattern_is_read_in_its_time_zone() {
        assert_eq!(
            runs("30 9 * * MON-FRI", "Asia/Tokyo", "2026-11-20T00:00:00Z", 3),
            ["2026-11-20T00:30:00Z", "2026-11-23T00:30:00Z", "2026-11-24T00:30:00Z",]
        );
    }

    #[test]
    fn a_sixth_field_in_front_is_seconds() {
        assert_eq!(
            runs("*/20 0 0 * * *", "UTC", "2026-11-20T23:59:50Z", 2),
            ["2026-11-21T00:00:00Z", "2026-11-21T00:00:20Z",]
        );
    }

    #[test]
    fn a_fixed_time_that_the_clocks_leave_out_runs_right_after_the_change() {
        // Berlin goes from 02:00 to 03:00 on that day.
        assert_eq!(
            runs("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z",]
        );
    }

    #[test]
    fn a_fixed_time_that_comes_twice_runs_once() {
        // Berlin goes back from 03:00 to 02:00 on that day.
        assert_eq!(
            runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z",]
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (pattern, zone, word) in [
            ("61 * * * *", "UTC", "no cron pattern"),
            ("* * * *", "UTC", "no cron pattern"),
            ("", "UTC", "no cron pattern"),
            ("0 0 31 2 *", "UTC", "never comes true"),
            ("0 0 * * *", "Europe/Atlantis", "no time zone"),
            ("0 0 * * *", "../../etc/passwd", "no time zone"),
        ] {
            let error = Cron::parse(pattern, zone).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}

//! Dates of signatures: ISO 8601's basic format, in UTC and to the second.

use crate::error::civil_date;

/// Seconds since 1970 of `20261128T120000Z`; `None` if it is no such date.
pub fn parse(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok().map(i64::from);
    let [year, month, day] = [number(0, 4)?, number(4, 6)?, number(6, 8)?];
    let [hour, minute, second] = [number(9, 11)?, number(11, 13)?, number(13, 15)?];
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    // What is no date, or is written in another way, is written differently.
    (format(seconds) == text).then_some(seconds)
}

/// `20261128T120000Z`.
pub fn format(seconds: i64) -> String {
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}{:02}{day:02}T{hour:02}{minute:02}{second:02}Z", month + 1)
}

/// The inverse of [`civil_date`], with months from 1; out of range, it is any day.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day comes last.
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_round_trips() {
        for (text, seconds) in [
            ("19700101T000000Z", 0),
            ("20000229T235959Z", 951_868_799),
            ("20150830T123600Z", 1_440_938_160),
            ("21000301T000000Z", 4_107_542_400),
        ] {
            assert_eq!(parse(text), Some(seconds));
            assert_eq!(format(seconds), text);
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "201",
            "20150830",
            "2015-08-30T12:36:00Z",
            "20150830T123600",
            "20150830T123600z",
            "20150230T123600Z",
            "20151330T123600Z",
            "20150830T243600Z",
            "20150830T123660Z",
            "+0150830T123600Z",
            "2015083üT12360Z",
            "Mon, 09 Sep 2011 23:36:00 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

//! Times as AWS prints them in messages.

/// `Thu Jan 22 01:22:02 UTC 2015`, the way of java.util.Date, in UTC and cut to the second.
pub(super) fn java_date(ms: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = ms.div_euclid(1000);
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    let weekday = WEEKDAYS[days.rem_euclid(7) as usize];
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{weekday} {} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}", MONTHS[month])
}

/// Year, month from 0 and day from 1 of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms": years begin in March, so that the leap day comes last).
pub(crate) fn civil_date(days: i64) -> (i64, usize, i64) {
    const DAYS_OF_ERA: i64 = 146_097;
    let since_era_0 = days + 719_468;
    let (era, day_of_era) = (since_era_0.div_euclid(DAYS_OF_ERA), since_era_0.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_reads_as_java_prints_it() {
        assert_eq!(java_date(1_421_889_722_999), "Thu Jan 22 01:22:02 UTC 2015");
        assert_eq!(java_date(951_782_400_000), "Tue Feb 29 00:00:00 UTC 2000");
        assert_eq!(java_date(-1), "Wed Dec 31 23:59:59 UTC 1969");
    }
}

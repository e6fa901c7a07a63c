//! Numbers as people read them. Between a number and its unit stands a space that doesn't break.

use fsreplay_shown::figures;
pub use fsreplay_shown::figures::count;

const SPACE: char = '\u{a0}';

/// From here on a number is told by its power of ten.
const HUGE: f64 = 1e7;

/// A duration in seconds.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "–".into();
    }
    if seconds == 0.0 {
        return format!("0{SPACE}s");
    }
    let sign = if seconds < 0.0 { "−" } else { "" };
    let size = seconds.abs();
    if size >= HUGE {
        return format!("{sign}{size:.2e}{SPACE}s");
    }
    format!("{sign}{}", unbroken(&figures::seconds(size)))
}

/// A duration in nanoseconds.
pub fn nanoseconds(ns: u64) -> String {
    seconds(ns as f64 / 1e9)
}

/// A number and its noun.
pub fn of(number: u64, one: &str, many: &str) -> String {
    unbroken(&figures::counted(number, one, many))
}

/// Bytes.
pub fn bytes(number: u64) -> String {
    unbroken(&figures::bytes(number))
}

fn unbroken(text: &str) -> String {
    text.replace(' ', SPACE.encode_utf8(&mut [0; 2]))
}

/// A share between 0 and 1, in percent; what is neither nothing nor all is never shown as such.
pub fn percent(share: f64) -> String {
    let text = match share * 100.0 {
        p if !p.is_finite() => return "–".into(),
        p if p <= 0.0 || p >= 100.0 => format!("{p:.0}"),
        p if p > 99.99 => "> 99.99".into(),
        p if p < 0.01 => "< 0.01".into(),
        p if p > 99.0 => format!("{p:.2}"),
        p => format!("{p:.1}"),
    };
    format!("{text}{SPACE}%")
}

/// A ratio.
pub fn ratio(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".into(),
        value if value >= HUGE => format!("{value:.2e}"),
        value => figures::three_digits(value),
    }
}

/// A time since the epoch as date and time in UTC.
pub fn date(time: f64) -> String {
    if !(0.0..253_402_300_800.0).contains(&time) {
        return "unknown time".into();
    }
    let time = time as i64;
    let (year, month, day) = civil(time.div_euclid(86_400));
    let minutes = time.rem_euclid(86_400) / 60;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}{SPACE}UTC",
        minutes / 60,
        minutes % 60
    )
}

/// The date of a day after the epoch (years begin in March, so that leap days end them).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(seconds(1.204), "1.20\u{a0}s");
        assert_eq!(seconds(0.0), "0\u{a0}s");
        assert_eq!(seconds(-0.25), "−250\u{a0}ms");
        assert_eq!(seconds(f64::NAN), "–");
        assert_eq!(nanoseconds(1_500), "1.50\u{a0}µs");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(bytes(1536), "1.50\u{a0}KiB");
        assert_eq!(of(1, "path", "paths"), "1\u{a0}path");
        assert_eq!(seconds(1e300), "1.00e300\u{a0}s");
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(percent(0.999_999), "> 99.99\u{a0}%");
        assert_eq!(percent(0.000_001), "< 0.01\u{a0}%");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0.0), "1970-01-01 00:00\u{a0}UTC");
        assert_eq!(date(951_827_696.0), "2000-02-29 12:34\u{a0}UTC");
        assert_eq!(date(1_790_000_000.0), "2026-09-21 14:13\u{a0}UTC");
        assert_eq!(date(-1.0), "unknown time");
    }
}

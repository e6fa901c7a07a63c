//! Numbers, durations and long names in the words that people read.

/// Bytes in the unit that people read, with three digits.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A duration, given in nanoseconds, in the unit that people read.
pub fn nanoseconds(ns: u64) -> String {
    seconds(ns as f64 / 1e9)
}

/// A duration, given in seconds, in the unit that people read.
pub fn seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 999.5e-9 => (s * 1e9, "ns"),
        s if s < 999.5e-6 => (s * 1e6, "µs"),
        s if s < 0.9995 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// A count with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 task`, `2 tasks`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share in percent; a share that is neither nothing nor all is never shown as such.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".into();
    }
    let share = part as f64 * 100.0 / whole as f64;
    match share {
        s if part == whole || part == 0 => format!("{s:.0} %"),
        s if s > 99.99 => "> 99.99 %".into(),
        s if s < 0.01 => "< 0.01 %".into(),
        s if s > 99.0 => format!("{s:.2} %"),
        s => format!("{s:.1} %"),
    }
}

/// A name, shown, and cut to a width in characters; the end is kept, as it tells more of a path.
pub fn shortened(name: &str, width: usize) -> String {
    let text = crate::shown(name.as_bytes());
    let length = text.chars().count();
    if length <= width {
        return text.into_owned();
    }
    let kept: String = text.chars().skip(length + 1 - width.max(1)).collect();
    format!("…{kept}")
}

/// A command cut to a width: its beginning tells more.
pub fn beginning(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= width && line.len() == text.len() {
        return text.to_owned();
    }
    let kept: String = line.chars().take(width).collect();
    format!("{kept}…")
}

/// A number with three digits.
pub fn three_digits(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.00 KiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1.00 MiB");
        assert_eq!(nanoseconds(1_500), "1.50 µs");
        assert_eq!(seconds(0.9999), "1.00 s");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(0, "task", "tasks"), "0 tasks");
        assert_eq!(counted(1, "task", "tasks"), "1 task");
        assert_eq!(counted(1200, "entry", "entries"), "1,200 entries");
    }

    #[test]
    fn long_paths_keep_their_end() {
        assert_eq!(shortened("/a/b/c", 6), "/a/b/c");
        assert_eq!(shortened("/a/b/cd", 6), "…/b/cd");
        assert_eq!(shortened("/a/b\u{1b}c", 6), "…\\x1bc");
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(999_999, 1_000_000), "> 99.99 %");
        assert_eq!(percent(1, 1_000_000), "< 0.01 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(0, 5), "0 %");
        assert_eq!(percent(0, 0), "–");
    }
}

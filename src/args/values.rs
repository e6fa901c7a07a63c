//! Values of options: how they are written, and what they mean.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use fsreplay_compare::{Given, Moved};
use fsreplay_replayer::{Cache, Timing};
use fsreplay_trace::format::Limits;

/// A limit's name and number, the latter with K, M or G for powers of 1024.
pub fn limit(text: &str) -> Result<(&'static str, u64), String> {
    let (name, number) = text.split_once('=').ok_or("a name, = and a number")?;
    let (name, _) = Limits::names()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| {
            let names: Vec<&str> = Limits::names().map(|(known, _)| known).collect();
            format!("there is no such limit; there are {}", names.join(", "))
        })?;
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let unit = units
        .iter()
        .find_map(|(unit, shift)| Some((number.strip_suffix(unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((number, 0));
    let most: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    most.checked_mul(1 << shift)
        .map(|most| (name, most))
        .ok_or_else(|| "the number is too large".to_owned())
}

/// A time with its unit: `500ms`, `30s`, `2m`.
pub fn budget(text: &str) -> Result<Duration, String> {
    let wrong = || "give a time such as 500ms, 30s or 2m".to_owned();
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let found = units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, seconds) = found.ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if time.is_zero() {
        Err(wrong())
    } else {
        Ok(time)
    }
}

/// A target as `[NAME=]DIR`.
pub fn given(text: &OsString) -> Given {
    let bytes = text.as_bytes();
    let split = bytes.iter().position(|byte| *byte == b'=');
    let (name, dir) = match split {
        Some(at) if !bytes[..at].contains(&b'/') => (&bytes[..at], &bytes[at + 1..]),
        _ => (&b""[..], bytes),
    };
    Given {
        name: (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned()),
        dir: PathBuf::from(OsStr::from_bytes(dir)),
    }
}

/// What goes to the targets: `workspace`, `all`, or recorded directories with commas between.
pub fn moved(text: &str) -> Moved {
    match text {
        "all" => Moved::All,
        "workspace" => Moved::Workspace,
        paths => Moved::Directories(paths.split(',').map(Into::into).collect()),
    }
}

/// `recorded`, `fast`, or a positive number.
pub fn timing(text: &str) -> Result<Timing, String> {
    match text {
        "fast" => Ok(Timing::Fast),
        "recorded" => Ok(Timing::Scaled(1.0)),
        _ => match text.parse::<f64>() {
            Ok(scale) if scale > 0.0 && scale <= 1000.0 => Ok(Timing::Scaled(scale)),
            _ => Err("give recorded, fast, or a factor above 0 and up to 1000".into()),
        },
    }
}

/// `made`, `warm` or `cold`.
pub fn cache(text: &str) -> Result<Cache, String> {
    match text {
        "made" => Ok(Cache::Made),
        "warm" => Ok(Cache::Warm),
        "cold" => Ok(Cache::Cold),
        _ => Err("give made, warm or cold".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_with_units() {
        assert_eq!(limit("strings=2G"), Ok(("strings", 2 << 30)));
        assert_eq!(limit("tasks=9"), Ok(("tasks", 9)));
        for wrong in [
            "tasks",
            "tasks=",
            "tasks=x",
            "nothing=1",
            "plan=99999999999999G",
        ] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn targets_have_names_where_no_slash_comes_before_the_sign() {
        let named = |text: &str| {
            let Given { name, dir } = given(&text.into());
            (name, dir.to_string_lossy().into_owned())
        };
        assert_eq!(named("a=/b=c"), (Some("a".into()), "/b=c".into()));
        assert_eq!(named("/a=b"), (None, "/a=b".into()));
        assert_eq!(named("=/a"), (None, "/a".into()));
        assert_eq!(named("a"), (None, "a".into()));
    }

    #[test]
    fn what_is_moved_has_two_names_and_else_is_directories() {
        assert_eq!(moved("workspace"), Moved::Workspace);
        assert_eq!(moved("all"), Moved::All);
        let both = vec![b"/a".to_vec(), b"/b".to_vec()];
        assert_eq!(moved("/a,/b"), Moved::Directories(both));
    }

    #[test]
    fn a_budget_has_a_unit() {
        assert_eq!(budget("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(budget("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(budget("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "30", "s", "-1s", "0s", "nans", "1e30m", "1h"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }
}

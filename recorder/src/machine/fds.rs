//! Open descriptors of a task, as /proc tells them.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

use fsreplay_trace::model::FileKind;

use crate::session::world::Descriptor;

/// A descriptor of a task; `None` if it is not open.
pub fn one(tid: i32, fd: i32) -> Option<Descriptor> {
    let link = format!("/proc/{tid}/fd/{fd}");
    let target = fs::read_link(&link).ok()?.into_os_string().into_vec();
    let kind =
        fs::metadata(&link).map_or(FileKind::Unknown, |found| FileKind::of_mode(found.mode()));
    let info = fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
    let (offset, flags) = parse_info(&info);
    Some(Descriptor {
        fd,
        target,
        kind,
        flags,
        offset,
    })
}

/// All descriptors of a task, in order.
pub fn all(tid: i32) -> Vec<Descriptor> {
    let Ok(directory) = fs::read_dir(format!("/proc/{tid}/fd")) else {
        return Vec::new();
    };
    let mut numbers: Vec<i32> = directory
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(|fd| one(tid, fd)).collect()
}

/// Offset and flags of a fdinfo file.
fn parse_info(text: &str) -> (u64, u32) {
    let value = |name| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let offset = value("pos:").and_then(|v| v.parse().ok()).unwrap_or(0);
    let flags = value("flags:").and_then(|v| u32::from_str_radix(v, 8).ok());
    (offset, flags.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_octal() {
        assert_eq!(
            parse_info("pos:\t42\nflags:\t02100001\nmnt_id:\t9\n"),
            (42, 0o2100001)
        );
        assert_eq!(parse_info(""), (0, 0));
    }
}

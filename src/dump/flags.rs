//! Names for numbers: open flags, `AT_FDCWD`.

use fsreplay_trace::abi::{self, AT_FDCWD, OpenFlags};

/// `AT_FDCWD` or the number.
pub fn dirfd(value: u64) -> String {
    if value as i32 == AT_FDCWD {
        "AT_FDCWD".into()
    } else {
        (value as i32).to_string()
    }
}

/// The flags of an `open` on a machine that has those.
pub fn open(value: u64, machine: OpenFlags) -> String {
    let names = [
        (abi::O_CREAT, "O_CREAT"),
        (abi::O_EXCL, "O_EXCL"),
        (abi::O_NOCTTY, "O_NOCTTY"),
        (abi::O_TRUNC, "O_TRUNC"),
        (abi::O_APPEND, "O_APPEND"),
        (abi::O_NONBLOCK, "O_NONBLOCK"),
        // O_TMPFILE holds O_DIRECTORY and O_SYNC holds O_DSYNC: the larger stand first.
        (abi::O_TMPFILE | machine.directory, "O_TMPFILE"),
        (machine.directory, "O_DIRECTORY"),
        (abi::O_SYNC, "O_SYNC"),
        (abi::O_DSYNC, "O_DSYNC"),
        (machine.direct, "O_DIRECT"),
        (machine.no_follow, "O_NOFOLLOW"),
        (machine.large_file, "O_LARGEFILE"),
        (abi::O_NOATIME, "O_NOATIME"),
        (abi::O_CLOEXEC, "O_CLOEXEC"),
        (abi::O_PATH, "O_PATH"),
    ];
    let access = match value as u32 & abi::O_ACCMODE {
        0 => "O_RDONLY",
        abi::O_WRONLY => "O_WRONLY",
        _ => "O_RDWR",
    };
    join(access, value as u32 & !abi::O_ACCMODE, &names)
}

fn join(first: &str, mut rest: u32, names: &[(u32, &str)]) -> String {
    let mut text = first.to_string();
    for (bit, name) in names {
        if rest & bit == *bit {
            text.push('|');
            text.push_str(name);
            rest &= !bit;
        }
    }
    if rest != 0 {
        text.push_str(&format!("|{rest:#x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_flags_have_names_and_rests_stay_visible() {
        let open = |flags| open(u64::from(flags), OpenFlags::of("x86_64"));
        assert_eq!(open(0), "O_RDONLY");
        assert_eq!(
            open(abi::O_RDWR | abi::O_CREAT | abi::O_CLOEXEC),
            "O_RDWR|O_CREAT|O_CLOEXEC"
        );
        assert_eq!(open(0x4000_0000), "O_RDONLY|0x40000000");
    }

    #[test]
    fn open_flags_are_those_of_the_machine_that_was_recorded() {
        for (machine, flags, name) in [
            ("x86_64", 0o200_000, "O_RDONLY|O_DIRECTORY"),
            ("aarch64", 0o40_000, "O_RDONLY|O_DIRECTORY"),
            ("x86_64", 0o40_000, "O_RDONLY|O_DIRECT"),
            ("aarch64", 0o200_000, "O_RDONLY|O_DIRECT"),
            ("aarch64", 0o100_000, "O_RDONLY|O_NOFOLLOW"),
            ("x86_64", 0o20_200_001, "O_WRONLY|O_TMPFILE"),
            ("aarch64", 0o20_040_001, "O_WRONLY|O_TMPFILE"),
        ] {
            assert_eq!(open(flags, OpenFlags::of(machine)), name, "{machine}");
        }
    }
}

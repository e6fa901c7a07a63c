//! Names for numbers: open flags, `AT_*`, errors. Values are the kernel's generic ones; where
//! x86_64 and aarch64 differ (`O_DIRECTORY`, `O_NOFOLLOW`, `O_DIRECT`), this machine's are used.

/// `AT_FDCWD` or the number.
pub fn dirfd(value: u64) -> String {
    if value as i32 == libc::AT_FDCWD {
        "AT_FDCWD".into()
    } else {
        (value as i32).to_string()
    }
}

/// The flags of `open`.
pub fn open(value: u64) -> String {
    const NAMES: &[(i32, &str)] = &[
        (libc::O_CREAT, "O_CREAT"),
        (libc::O_EXCL, "O_EXCL"),
        (libc::O_NOCTTY, "O_NOCTTY"),
        (libc::O_TRUNC, "O_TRUNC"),
        (libc::O_APPEND, "O_APPEND"),
        (libc::O_NONBLOCK, "O_NONBLOCK"),
        // O_TMPFILE holds O_DIRECTORY and O_SYNC holds O_DSYNC: the larger stand first.
        (libc::O_TMPFILE, "O_TMPFILE"),
        (libc::O_DIRECTORY, "O_DIRECTORY"),
        (libc::O_SYNC, "O_SYNC"),
        (libc::O_DSYNC, "O_DSYNC"),
        (libc::O_DIRECT, "O_DIRECT"),
        (libc::O_NOFOLLOW, "O_NOFOLLOW"),
        (libc::O_NOATIME, "O_NOATIME"),
        (libc::O_CLOEXEC, "O_CLOEXEC"),
        (libc::O_PATH, "O_PATH"),
    ];
    let access = match value as i32 & libc::O_ACCMODE {
        libc::O_RDONLY => "O_RDONLY",
        libc::O_WRONLY => "O_WRONLY",
        _ => "O_RDWR",
    };
    join(access, value as i32 & !libc::O_ACCMODE, NAMES)
}

fn join(first: &str, mut rest: i32, names: &[(i32, &str)]) -> String {
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

/// The name of an error number.
pub fn errno(number: i32) -> String {
    match number {
        512 => "ERESTARTSYS".into(),
        513 => "ERESTARTNOINTR".into(),
        514 => "ERESTARTNOHAND".into(),
        516 => "ERESTART_RESTARTBLOCK".into(),
        n => match nix::errno::Errno::from_raw(n) {
            nix::errno::Errno::UnknownErrno => format!("E{n}"),
            known => format!("{known:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_flags_have_names_and_rests_stay_visible() {
        assert_eq!(open(0), "O_RDONLY");
        assert_eq!(
            open((libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC) as u64),
            "O_RDWR|O_CREAT|O_CLOEXEC"
        );
        assert_eq!(
            open((libc::O_TMPFILE | libc::O_WRONLY) as u64),
            "O_WRONLY|O_TMPFILE"
        );
        assert_eq!(open(0x4000_0000), "O_RDONLY|0x40000000");
    }

    #[test]
    fn errors_have_names() {
        assert_eq!(errno(libc::ENOENT), "ENOENT");
        assert_eq!(errno(512), "ERESTARTSYS");
        assert_eq!(errno(4000), "E4000");
    }
}

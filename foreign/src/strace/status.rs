//! What `stat` and its kin print of a file.

use fsreplay_trace::abi::OpenFlags;
use fsreplay_trace::model::FileKind;

use super::names;
use super::token::field;

/// What a status tells; without -v the log has type, mode and size only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its type.
    pub kind: Option<FileKind>,
    /// Permissions.
    pub mode: Option<u32>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Owner and group.
    pub owner: Option<(u32, u32)>,
    /// Seconds since the epoch.
    pub mtime: Option<i64>,
    /// Device and inode, if it has several names.
    pub inode: Option<(u64, u64)>,
}

/// Reads `{st_mode=S_IFREG|0644, st_size=5, ...}`, or that of `statx`.
pub fn read(token: &[u8], open: OpenFlags) -> Status {
    let get = |name: &str| {
        let of = |prefix: &str| field(token, &format!("{prefix}_{name}"));
        let value = of("st").or_else(|| of("stx"))?;
        names::number(value, open).ok()
    };
    let mode = get("mode");
    let id = |name| get(name).and_then(|id| u32::try_from(id).ok());
    let device = get("dev").or_else(|| {
        // `statx` has two numbers of it.
        let major = get("dev_major")?;
        Some(major << 32 | get("dev_minor")?)
    });
    let linked = get("nlink").is_some_and(|links| links > 1);
    let mtime = field(token, "stx_mtime").and_then(|time| {
        let seconds = field(time, "tv_sec")?;
        names::number(seconds, open).ok()
    });
    Status {
        kind: mode.map(|mode| FileKind::of_mode(mode as u32)),
        mode: mode.map(|mode| mode as u32 & 0o7777),
        size: get("size").and_then(|size| u64::try_from(size).ok()),
        owner: id("uid").zip(id("gid")),
        mtime: get("mtime").or(mtime),
        inode: device
            .zip(get("ino"))
            .filter(|_| linked)
            .map(|(device, inode)| (device as u64, inode as u64)),
    }
}

/// The type of an entry of a listing (-v).
pub fn entry_kind(name: &[u8]) -> Option<FileKind> {
    Some(match name {
        b"DT_REG" => FileKind::File,
        b"DT_DIR" => FileKind::Directory,
        b"DT_LNK" => FileKind::Symlink,
        b"DT_FIFO" => FileKind::Fifo,
        b"DT_SOCK" => FileKind::Socket,
        b"DT_CHR" => FileKind::CharDevice,
        b"DT_BLK" => FileKind::BlockDevice,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_short_or_whole() {
        let of = |text: &str| read(text.as_bytes(), OpenFlags::here());
        let short = of("{st_mode=S_IFREG|0644, st_size=5, ...}");
        let told = (short.kind, short.mode, short.size, short.owner);
        assert_eq!(told, (Some(FileKind::File), Some(0o644), Some(5), None));
        let whole = of(
            "{st_dev=makedev(0xfe, 0), st_ino=7, st_mode=S_IFREG|S_ISUID|0755, \
             st_nlink=2, st_uid=1000, st_gid=100, st_blksize=4096, st_blocks=8, st_size=9, \
             st_atime=1 /* 1970 */, st_atime_nsec=0, st_mtime=1700000000 /* 2023 */, \
             st_mtime_nsec=5}",
        );
        assert_eq!((whole.mode, whole.owner), (Some(0o4755), Some((1000, 100))));
        assert_eq!(whole.mtime, Some(1_700_000_000));
        assert_eq!(whole.inode.map(|(_, inode)| inode), Some(7));
        let statx = of(
            "{stx_mask=STATX_ALL, stx_mode=S_IFDIR|0755, stx_size=4096, \
             stx_mtime={tv_sec=5, tv_nsec=6} /* 1970 */}",
        );
        let told = (statx.kind, statx.size, statx.mtime);
        assert_eq!(told, (Some(FileKind::Directory), Some(4096), Some(5)));
        let device = of("{st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}");
        assert_eq!(
            (device.kind, device.size),
            (Some(FileKind::CharDevice), None)
        );
    }
}

//! The lines of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), and which of the mounts can be
//! seen.

use crate::below::is_below;

/// A mount, unescaped.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Line {
    /// Mount id.
    pub id: u32,
    /// Id of the mount that it is mounted on.
    pub parent: u32,
    /// Which directory of the file system is mounted.
    pub root: Vec<u8>,
    /// Where.
    pub mount_point: Vec<u8>,
    /// Options of the mount.
    pub options: String,
    /// Optional fields, such as `master:5`.
    pub optional: Vec<String>,
    /// Type of the file system.
    pub fs_type: String,
    /// Source: a device, a tag, a path of the host.
    pub source: Vec<u8>,
    /// Options of the file system.
    pub super_options: String,
}

impl Line {
    /// Whether it gets mounts from elsewhere.
    pub fn is_slave(&self) -> bool {
        self.optional
            .iter()
            .any(|field| field.starts_with("master:"))
    }

    /// Whether neither the mount nor its file system is read-only.
    pub fn read_write(&self) -> bool {
        let read_only = |options: &str| options.split(',').any(|option| option == "ro");
        !read_only(&self.options) && !read_only(&self.super_options)
    }

    /// The value of an option of the file system.
    pub fn super_option(&self, name: &str) -> Option<&str> {
        self.super_options.split(',').find_map(|option| {
            let (key, value) = option.split_once('=')?;
            (key == name).then_some(value)
        })
    }
}

/// The lines of a mountinfo file; those that don't have its form are left out.
pub fn parse(text: &[u8]) -> Vec<Line> {
    text.split(|b| *b == b'\n').filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /mount rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &[u8]) -> Option<Line> {
    let mut fields = line.split(|b| *b == b' ');
    let id = text(fields.next()?).parse().ok()?;
    let parent = text(fields.next()?).parse().ok()?;
    let _device = fields.next()?;
    let root = unescape(fields.next()?);
    let mount_point = unescape(fields.next()?);
    let options = text(fields.next()?);
    let mut optional = Vec::new();
    loop {
        match fields.next()? {
            b"-" => break,
            field => optional.push(text(field)),
        }
    }
    let fs_type = text(fields.next()?);
    // Docker's older storage drivers and some FUSE file systems have an empty source: two spaces in
    // a row.
    let source = unescape(fields.next()?);
    let super_options = fields.next().map(text).unwrap_or_default();
    Some(Line {
        id,
        parent,
        root,
        mount_point,
        options,
        optional,
        fs_type,
        source,
        super_options,
    })
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// Replaces `\040` and the like by the byte they stand for.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let byte = tail.get(..3).filter(|_| *first == b'\\').and_then(octal);
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[3..] } else { tail };
    }
    out
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

/// Which of the mounts can be seen where they are mounted.
///
/// One is hidden if another was mounted at the same place later, or if a directory above it was
/// mounted over: then a mount on the same parent stands at that directory, or one of the parents is
/// hidden in that way.
pub(super) fn visible(lines: &[Line]) -> Vec<bool> {
    let covered: Vec<bool> = lines.iter().map(|line| is_covered(lines, line)).collect();
    (0..lines.len())
        .map(|at| {
            let later = &lines[at + 1..];
            let stacked = later
                .iter()
                .any(|other| other.mount_point == lines[at].mount_point);
            !stacked && !with_parents(lines, at).any(|at| covered[at])
        })
        .collect()
}

/// Whether another mount on the same parent stands above this one.
fn is_covered(lines: &[Line], line: &Line) -> bool {
    lines.iter().any(|other| {
        other.parent == line.parent
            && other.id != line.parent
            && other.mount_point.len() < line.mount_point.len()
            && is_below(&line.mount_point, &other.mount_point)
    })
}

/// A mount, the one that it is mounted on, and so on.
fn with_parents(lines: &[Line], at: usize) -> impl Iterator<Item = usize> {
    let parent = |at: &usize| {
        let (id, parent) = (lines[*at].id, lines[*at].parent);
        lines
            .iter()
            .position(|line| line.id == parent && line.id != id)
    };
    // A table whose parents go in circles ends, too.
    std::iter::successors(Some(at), parent).take(lines.len())
}

/// The index of the visible mount that a path lies on.
pub(super) fn mount_of(lines: &[Line], visible: &[bool], path: &[u8]) -> Option<usize> {
    (0..lines.len())
        .filter(|at| visible[*at] && is_below(path, &lines[*at].mount_point))
        .max_by_key(|at| lines[*at].mount_point.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<u32> {
        let lines = parse(text.as_bytes());
        let visible = visible(&lines);
        (0..lines.len())
            .filter(|at| visible[*at])
            .map(|at| lines[at].id)
            .collect()
    }

    #[test]
    fn fields_are_unescaped_and_optional_ones_kept() {
        let lines = parse(
            b"36 35 98:0 / /mnt/with\\040space rw,noatime shared:7 master:1 - ext4 /dev/root rw\n\
              bad line\n\
              40 35 0:31 /a\\134b /x rw - 9p C:\\134 ro,aname=drvfs;path=C:\\134\n\
              41 35 0:32 / /y rw - fuse.x  rw\n",
        );
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].mount_point, b"/mnt/with space");
        assert!(lines[0].is_slave() && lines[0].read_write());
        assert_eq!(lines[1].root, b"/a\\b");
        assert_eq!(lines[1].source, b"C:\\");
        assert!(!lines[1].read_write());
        assert_eq!(
            lines[1].super_option("aname"),
            Some("drvfs;path=C:\\"),
            "the value runs to the next comma"
        );
        assert_eq!(lines[2].source, b"");
        assert_eq!(unescape(b"\\9x\\04\\777"), b"\\9x\\04\\777");
    }

    #[test]
    fn the_last_one_stacked_on_a_place_is_seen() {
        let text = "1 0 8:1 / / rw - ext4 a rw\n\
                    2 1 0:1 / /dev/shm rw - tmpfs a rw\n\
                    3 2 0:2 / /dev/shm rw - tmpfs b rw\n\
                    4 3 0:3 / /dev/shm/x rw - tmpfs c rw\n";
        assert_eq!(seen(text), [1, 3, 4]);
    }

    #[test]
    fn a_mount_below_a_directory_that_was_mounted_over_is_hidden() {
        let text = "1 0 8:1 / / rw - ext4 a rw\n\
                    2 1 0:1 / /a/b rw - tmpfs a rw\n\
                    3 2 0:2 / /a/b/c rw - tmpfs a rw\n\
                    4 1 0:3 / /a rw - tmpfs b rw\n\
                    5 1 0:4 / /ab rw - tmpfs b rw\n";
        assert_eq!(seen(text), [1, 4, 5]);
    }

    #[test]
    fn a_root_that_was_mounted_over_keeps_the_mounts_of_the_new_one() {
        let text = "1 1 0:1 / / rw - rootfs rootfs rw\n\
                    2 1 8:1 / / rw - ext4 a rw\n\
                    3 2 0:2 / /tmp rw - tmpfs t rw\n";
        assert_eq!(seen(text), [2, 3]);
    }

    #[test]
    fn the_longest_mount_point_holds_a_path() {
        let lines = parse(
            b"1 0 8:1 / / rw - ext4 a rw\n\
              2 1 0:1 / /tmp rw - tmpfs t rw\n\
              3 1 0:1 / /tmpfs rw - tmpfs t rw\n",
        );
        let visible = visible(&lines);
        let of = |path: &[u8]| mount_of(&lines, &visible, path).map(|at| lines[at].id);
        assert_eq!(of(b"/tmp"), Some(2));
        assert_eq!(of(b"/tmp/x"), Some(2));
        assert_eq!(of(b"/tmpx"), Some(1));
        assert_eq!(of(b"/"), Some(1));
    }
}

//! The mount table, as `/proc/self/mountinfo` tells it.

use fsreplay_trace::model::Mount;

/// Parses the lines of a mountinfo file; lines that don't have its form are left out.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|b| *b == b'\n').filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /mount rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let id = text(fields.next()?).parse().ok()?;
    let _parent = fields.next()?;
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
    let source = unescape(fields.next()?);
    let super_options = fields.next().map(text).unwrap_or_default();
    Some(Mount {
        id,
        root,
        mount_point,
        options,
        optional: optional.join(" "),
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
        if *first == b'\\'
            && let Some(digits) = tail.get(..3)
            && let Some(byte) = octal(digits)
        {
            out.push(byte);
            rest = &tail[3..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unescaped_and_optional_ones_counted() {
        let mounts = parse(
            b"36 35 98:0 / /mnt/with\\040space rw,noatime shared:7 master:1 - ext4 /dev/root rw\n\
              bad line\n\
              40 35 0:31 /a\\134b /x rw - 9p C:\\134 rw,aname=drvfs\n",
        );
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].id, 36);
        assert_eq!(mounts[0].mount_point, b"/mnt/with space");
        assert_eq!(mounts[0].optional, "shared:7 master:1");
        assert_eq!(mounts[0].fs_type, "ext4");
        assert_eq!(mounts[1].root, b"/a\\b");
        assert_eq!(mounts[1].source, b"C:\\");
        assert_eq!(mounts[1].super_options, "rw,aname=drvfs");
    }

    #[test]
    fn a_backslash_without_three_octal_digits_stays() {
        assert_eq!(unescape(b"\\9x\\04"), b"\\9x\\04");
        assert_eq!(unescape(b"\\777"), b"\\777");
    }
}

//! Mappings of a process, and room between them.

use crate::layout::PAGE;

/// The lowest address at which anything is put: the kernel's own limit is nowhere higher.
const LOWEST: u64 = 0x10_0000;

/// A line of `/proc/PID/maps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its first byte.
    pub start: u64,
    /// Behind its last.
    pub end: u64,
    /// It may be executed and not written to, its pages are the process's own once they are
    /// changed, and it is a file's.
    text: bool,
    /// Device and inode number of its file, if it has one.
    file: Option<(u64, u64)>,
    /// Where in the file it begins.
    offset: u64,
}

/// A byte of a file: device, inode number, offset.
pub type InFile = (u64, u64, u64);

impl Mapping {
    /// Whether it is the text of a file: what is written to it reaches neither the file nor another
    /// process.
    pub fn is_text(&self) -> bool {
        self.text
    }

    /// Its file: device and inode number.
    pub fn file(&self) -> Option<(u64, u64)> {
        self.file
    }

    /// Where a byte of its file stands, if it is mapped here.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let address = self.start.checked_add(offset.checked_sub(self.offset)?)?;
        self.holds(address).then_some(address)
    }

    /// Which byte of its file stands at an address in it.
    pub fn in_file(&self, address: u64) -> Option<InFile> {
        let (device, inode) = self.file?;
        Some((
            device,
            inode,
            self.offset + address.checked_sub(self.start)?,
        ))
    }

    /// Where the first byte of its file is mapped, nearest before it.
    pub fn base(&self, maps: &[Mapping]) -> Option<u64> {
        let same = |other: &&Mapping| other.file == self.file && other.start <= self.start;
        let mut own = maps.iter().rev().filter(same);
        own.find(|mapping| mapping.offset == 0)
            .map(|mapping| mapping.start)
    }

    /// Whether an address lies in it.
    pub fn holds(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// The mappings, in ascending order.
pub fn parse(maps: &str) -> Vec<Mapping> {
    maps.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let hex = |word| u64::from_str_radix(word, 16).ok();
    let offset = hex(words.next()?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode: u64 = words.next()?.parse().ok()?;
    let name = words.next();
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        file: (inode != 0).then_some((hex(major)? << 32 | hex(minor)?, inode)),
        offset,
        text: rights == "r-xp" && name.is_some_and(|name| name.starts_with('/')),
    })
}

/// Free room for `length` bytes near an address that `reaches` says is near enough: below it, or
/// else as far above it as `far`, where it is in the way of nothing that grows.
pub fn free_near(
    maps: &[Mapping],
    address: u64,
    (length, apart, far): (u64, u64, u64),
    reaches: impl Fn(u64) -> bool,
) -> Option<u64> {
    let below = free_below(maps, address, length, apart);
    below.filter(|at| reaches(*at)).or_else(|| {
        let above = free_above(maps, address.checked_add(far)?, length, apart);
        above.filter(|at| reaches(*at))
    })
}

/// Free room for `length` bytes just below an address in a gap, `apart` from what is mapped.
fn free_above(maps: &[Mapping], address: u64, length: u64, apart: u64) -> Option<u64> {
    let at = address.checked_sub(length)? & !(PAGE - 1);
    let room = at.checked_sub(apart)?..at.checked_add(length)?.checked_add(apart)?;
    let is_free = |mapping: &Mapping| mapping.end <= room.start || room.end <= mapping.start;
    maps.iter().all(is_free).then_some(at)
}

/// Free room for `length` bytes below an address, the nearest that is `apart` from the mapping
/// above it and as far from the one below: what grows there keeps its room.
fn free_below(maps: &[Mapping], address: u64, length: u64, apart: u64) -> Option<u64> {
    let above = maps.iter().rev().filter(|mapping| mapping.start <= address);
    let ends = above
        .clone()
        .skip(1)
        .map(|mapping| mapping.end)
        .chain([LOWEST]);
    above.zip(ends).find_map(|(mapping, end)| {
        let at = mapping.start.checked_sub(length.checked_add(apart)?)?;
        (at >= end.checked_add(apart)?).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus-daemon
00651000-00652000 r--p 00051000 08:02 173521 /usr/bin/dbus-daemon
7f0000000000-7f0000100000 r-xp 00000000 08:02 1 /lib/a name with spaces
7f0000100000-7f0000200000 rwxp 00000000 00:00 0
7f0000300000-7f0000400000 r-xs 00000000 08:02 3 /lib/shared
7ffe00000000-7ffe00001000 r-xp 00000000 00:00 0 [vdso]
";

    #[test]
    fn only_private_text_of_files_is_text() {
        let maps = parse(MAPS);
        let text: Vec<bool> = maps.iter().map(Mapping::is_text).collect();
        assert_eq!(text, [true, false, true, false, false, false]);
        assert!(maps[0].holds(0x400000) && !maps[0].holds(0x452000));
        let byte = maps[1].in_file(0x651010);
        assert_eq!(byte, Some((8 << 32 | 2, 173_521, 0x51010)));
        assert_eq!(maps[3].in_file(0x7f0000100000), None);
    }

    #[test]
    fn room_is_found_below_and_apart() {
        let maps = parse(MAPS);
        let found = free_below(&maps, 0x7f00_0000_1000, 0x10000, 0x1000);
        assert_eq!(found, Some(0x7f00_0000_0000 - 0x11000));
        let found = free_below(&maps, 0x40_1000, 0x10000, 0x1000);
        assert_eq!(found, Some(0x40_0000 - 0x11000));
        assert_eq!(free_below(&maps, 0x40_1000, 0x40_0000, 0x1000), None);
        // The hole between two of them is too small once both keep their distance.
        let found = free_below(&maps, 0x7f00_0030_0000, 0xff000, 0x1000);
        assert_eq!(found, Some(0x7f00_0000_0000 - 0x100000));
    }

    #[test]
    fn room_above_is_taken_where_there_is_none_below() {
        let maps = parse("00010000-00120000 r-xp 00000000 08:02 1 /bin/static\n");
        let near = |far, reach| {
            let room = (0x10000, 0x1000, far);
            free_near(&maps, 0x11000, room, |at| at - 0x11000 < reach)
        };
        assert_eq!(near(0x0600_0000, 0x0800_0000), Some(0x0600_1000));
        assert_eq!(near(0x0600_0000, 0x0500_0000), None);
        // Too near to what is mapped there.
        assert_eq!(near(0x0011_0800, 0x0800_0000), None);
    }
}

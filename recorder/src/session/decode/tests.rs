//! Decoders on a slice of memory instead of a task.

use super::*;
use crate::session::memory::tests::Slice;

const BASE: u64 = 0x1_0000;

/// Lays out bytes one after another, 16-aligned; gives the address of each.
#[derive(Default)]
struct Layout(Vec<u8>);

impl Layout {
    fn put(&mut self, bytes: &[u8]) -> u64 {
        self.0.resize(self.0.len().next_multiple_of(16), 0);
        let address = BASE + self.0.len() as u64;
        self.0.extend_from_slice(bytes);
        address
    }

    fn words(&mut self, words: &[u64]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        self.put(&bytes)
    }

    fn memory(self) -> Slice {
        Slice {
            base: BASE,
            bytes: self.0,
        }
    }
}

fn decode(call: Call, registers: [u64; 6], layout: Layout) -> Decoded {
    decode_keeping(Arguments::First, call, registers, layout)
}

fn decode_keeping(keep: Arguments, call: Call, registers: [u64; 6], layout: Layout) -> Decoded {
    let mut out = Decoded {
        keep,
        ..Decoded::default()
    };
    entry(call, &registers, &layout.memory(), &mut out);
    out
}

fn arg(call: Call, out: &Decoded, kind: ArgKind) -> u64 {
    out.args[call.row().position(kind).expect("the call keeps it")]
}

#[test]
fn the_address_of_a_socket_is_a_path_where_it_is_a_name_in_the_tree() {
    let path = |family: i32, name: &[u8], length: usize| {
        let mut layout = Layout::default();
        let address = [&(family as u16).to_ne_bytes(), name].concat();
        let address = layout.put(&address);
        let out = decode(Call::bind, [3, address, length as u64, 0, 0, 0], layout);
        assert_eq!(arg(Call::bind, &out, ArgKind::Mode), 0o140_777);
        out.string(ArgKind::Path).map(<[u8]>::to_vec)
    };
    let unix = libc::AF_UNIX;
    assert_eq!(path(unix, b"a/sk\0rest", 11).as_deref(), Some(&b"a/sk"[..]));
    // Without an end but its length, up to the longest.
    assert_eq!(path(unix, b"skip", 4).as_deref(), Some(&b"sk"[..]));
    let long = [b'x'; 108];
    assert_eq!(path(unix, &long, 110).as_deref(), Some(&long[..]));
    // No name, one outside of the tree, another family, more than there is, and than may be.
    assert_eq!(path(unix, b"", 2), None);
    assert_eq!(path(unix, b"\0abstract", 11), None);
    assert_eq!(path(libc::AF_INET, b"sk", 4), None);
    assert_eq!(path(unix, b"sk", 60), None);
    assert_eq!(path(unix, &[b'x'; 120], 122), None);
    assert_eq!(path(unix, b"sk", 1), None);
}

#[test]
fn paths_are_bytes_and_descriptors_are_signed() {
    let mut layout = Layout::default();
    let path = layout.put(b"a/\xff\xfe\0");
    let out = decode(
        Call::openat,
        [0xffff_ff9c, path, 0o2, 0o7777_0000, 0, 0],
        layout,
    );
    assert_eq!(out.string(ArgKind::Path), Some(b"a/\xff\xfe".as_slice()));
    assert_eq!(arg(Call::openat, &out, ArgKind::DirFd) as i64, -100);
    assert_eq!(
        arg(Call::openat, &out, ArgKind::Mode),
        0,
        "no O_CREAT, no mode"
    );
}

#[test]
fn a_null_or_wild_path_is_none() {
    for address in [0, 0xdead_0000] {
        let out = decode(Call::utimensat, [5, address, 0, 0, 0, 0], Layout::default());
        assert_eq!(arg(Call::utimensat, &out, ArgKind::Path), NONE);
        assert_eq!(out.string(ArgKind::Path), None);
        assert_eq!(arg(Call::utimensat, &out, ArgKind::Mtime), NONE);
    }
}

#[test]
fn openat2_takes_its_arguments_from_open_how() {
    let mut layout = Layout::default();
    let path = layout.put(b"f\0");
    let how = layout.words(&[0o101, 0o640, 8]);
    let out = decode(Call::openat2, [3, path, how, 24, 0, 0], layout);
    assert_eq!(out.args[0], 3);
    assert_eq!(arg(Call::openat2, &out, ArgKind::Flags), 0o101);
    assert_eq!(arg(Call::openat2, &out, ArgKind::Mode), 0o640);
    assert_eq!(arg(Call::openat2, &out, ArgKind::Mask), 8);
}

#[test]
fn vectors_are_summed() {
    let mut layout = Layout::default();
    let vectors: Vec<u64> = (0..40).flat_map(|n| [0x1234, n]).collect();
    let iovec = layout.words(&vectors);
    let out = decode(Call::pwritev2, [4, iovec, 40, 77, 0, 2], layout);
    assert_eq!(out.args[..5], [4, 780, 40, 77, 2]);
}

#[test]
fn times_become_nanoseconds_and_special_values_stay() {
    let mut layout = Layout::default();
    let path = layout.put(b"f\0");
    let times = layout.words(&[5, 7, 0, libc::UTIME_OMIT as u64]);
    let out = decode(Call::utimensat, [3, path, times, 0, 0, 0], layout);
    assert_eq!(arg(Call::utimensat, &out, ArgKind::Atime), 5_000_000_007);
    assert_eq!(
        arg(Call::utimensat, &out, ArgKind::Mtime),
        libc::UTIME_OMIT as u64
    );

    let mut layout = Layout::default();
    let path = layout.put(b"f\0");
    let times = layout.words(&[5, 7, 9, 11]);
    let out = decode(Call::utimes, [path, times, 0, 0, 0, 0], layout);
    assert_eq!(arg(Call::utimes, &out, ArgKind::Atime), 5_000_007_000);
    assert_eq!(arg(Call::utimes, &out, ArgKind::Mtime), 9_000_011_000);

    let mut layout = Layout::default();
    let path = layout.put(b"f\0");
    let times = layout.words(&[5, 9]);
    let out = decode(Call::utime, [path, times, 0, 0, 0, 0], layout);
    assert_eq!(arg(Call::utime, &out, ArgKind::Mtime), 9_000_000_000);
}

#[test]
fn locks_and_plain_commands_of_fcntl() {
    let mut layout = Layout::default();
    // l_type F_WRLCK (1), l_whence SEEK_CUR (1), start -5, length 10
    let lock = layout.words(&[0x0001_0001, (-5i64) as u64, 10, 0]);
    let out = decode(Call::fcntl, [3, 6, lock, 0, 0, 0], layout);
    assert_eq!(out.args, [3, 6, 1, 1, (-5i64) as u64, 10]);
    let out = decode(
        Call::fcntl,
        [3, libc::F_DUPFD_CLOEXEC as u64, 10, 0, 0, 0],
        Layout::default(),
    );
    assert_eq!(out.args[2], 10);
    let out = decode(
        Call::fcntl,
        [3, libc::F_GETFL as u64, 999, 0, 0, 0],
        Layout::default(),
    );
    assert_eq!(out.args[2], 0, "the register is chance");
}

#[test]
fn ioctl_keeps_sources_of_clones_only() {
    let out = decode(
        Call::ioctl,
        [5, u64::from(FICLONE), 4, 0, 0, 0],
        Layout::default(),
    );
    assert_eq!(out.args[..3], [5, u64::from(FICLONE), 4]);
    let mut layout = Layout::default();
    let range = layout.words(&[4, 100, 200, 300]);
    let out = decode(
        Call::ioctl,
        [5, u64::from(FICLONERANGE), range, 0, 0, 0],
        layout,
    );
    assert_eq!(out.args, [5, u64::from(FICLONERANGE), 4, 100, 200, 300]);
    let out = decode(
        Call::ioctl,
        [1, 0x5401, 0x7ffe_0000, 0, 0, 0],
        Layout::default(),
    );
    assert_eq!(out.args, [1, 0x5401, NONE, 0, 0, 0]);
}

#[test]
fn copies_tell_own_offsets_from_given_ones() {
    let mut layout = Layout::default();
    let offset = layout.words(&[4096]);
    let out = decode(Call::copy_file_range, [3, offset, 4, 0, 100, 0], layout);
    assert_eq!(out.args, [3, 4096, 4, NONE, 100, 0]);
}

/// `execve` of a program with three arguments, of which the second is empty.
fn execute(keep: Arguments) -> Decoded {
    let mut layout = Layout::default();
    let path = layout.put(b"/bin/x\0");
    let strings: Vec<u64> = [b"x\0".as_slice(), b"\0", b"-\xff\0"]
        .map(|s| layout.put(s))
        .into();
    let argv = layout.words(&[strings[0], strings[1], strings[2], 0]);
    decode_keeping(keep, Call::execve, [path, argv, 0, 0, 0, 0], layout)
}

#[test]
fn of_a_programs_arguments_only_its_name_is_read() {
    let out = execute(Arguments::default());
    assert_eq!(out.string(ArgKind::Argv), Some(b"x".as_slice()));
    assert_eq!(out.text, b"/bin/xx");
}

#[test]
fn argument_lists_that_are_kept_are_joined() {
    let out = execute(Arguments::All);
    assert_eq!(out.string(ArgKind::Argv), Some(b"x\0\0-\xff".as_slice()));
}

#[test]
fn descriptors_that_return_through_memory() {
    let mut layout = Layout::default();
    let pair = layout.put(&[7i32.to_ne_bytes(), 8i32.to_ne_bytes()].concat());
    let registers = [pair, 0, 0, 0, 0, 0];
    let memory = layout.memory();
    let mut out = Decoded::default();
    entry(Call::pipe2, &registers, &memory, &mut out);
    assert_eq!(out.args[0], NONE);
    exit(Call::pipe2, &registers, &memory, &mut out.args);
    assert_eq!(out.args[..2], [7, 8]);
}

#[test]
fn descriptors_of_a_message() {
    let mut layout = Layout::default();
    let mut control = Vec::new();
    control.extend(20u64.to_ne_bytes()); // another kind of message first
    control.extend(1i32.to_ne_bytes());
    control.extend(2i32.to_ne_bytes());
    control.extend([0; 8]);
    control.extend(24u64.to_ne_bytes());
    control.extend(1i32.to_ne_bytes());
    control.extend(1i32.to_ne_bytes());
    control.extend(9i32.to_ne_bytes());
    control.extend(10i32.to_ne_bytes());
    let length = control.len() as u64;
    let control = layout.put(&control);
    let message = layout.words(&[0, 0, 0, 0, control, length, 0]);
    assert_eq!(received_descriptors(message, &layout.memory()), [9, 10]);
    let mut broken = Layout::default();
    let control = broken.words(&[u64::MAX, 0]);
    let message = broken.words(&[0, 0, 0, 0, control, 16, 0]);
    assert!(received_descriptors(message, &broken.memory()).is_empty());
}

#[test]
fn every_argument_that_a_row_keeps_is_decoded() {
    for call in Call::all() {
        let mut layout = Layout::default();
        // A text, and 0 as a pointer behind it, which ends a list of arguments.
        let text = layout.words(&[0x7478_6574, 0]);
        let address = layout.words(&[0x7478_6574_0000 | libc::AF_UNIX as u64]);
        let registers = match call {
            Call::bind => [3, address, 8, 0, 0, 0],
            _ => [text; 6],
        };
        let out = decode(call, registers, layout);
        for (position, (kind, register)) in call.row().args.iter().enumerate() {
            assert!(*register < 6, "{call} {kind:?}");
            let is_text = matches!(
                kind,
                ArgKind::Path | ArgKind::NewPath | ArgKind::Target | ArgKind::Name
            );
            let read = out.strings.iter().any(|text| text.position == position);
            assert!(read || !is_text, "{call} {kind:?}");
        }
    }
}

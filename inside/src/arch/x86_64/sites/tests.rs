//! Sites with padding near them, and without.

use super::super::patch::short_jump;
use super::*;
use crate::functions;

const AT: u64 = 0x40_1000;

/// The room for the long jump of a site's way by padding.
fn last(code: Code<'_>, site: u64) -> Option<Padding> {
    match way(code, site)? {
        Way::Padding { last, .. } => Some(last),
        Way::Ahead(_) => None,
    }
}

fn find(bytes: &[u8]) -> Option<Padding> {
    let code = Code {
        address: AT,
        bytes,
        gaps: &[],
    };
    last(code, AT)
}

/// `syscall; ret`, filled up to 16 bytes, and another function.
fn function(filling: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x0f, 0x05, 0xc3];
    bytes.extend(filling);
    bytes.extend([0x48, 0x89, 0xc8, 0xc3]);
    bytes
}

#[test]
fn padding_behind_a_return_is_found() {
    let nops = [
        0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x00,
    ];
    let found = find(&function(&nops)).expect("padding");
    assert_eq!((found.address, found.length), (AT + 3, 13));
    assert_eq!(short_jump(AT, found), Some([0xeb, 1]));
    let found = find(&function(&[0xcc; 13])).expect("padding");
    assert_eq!((found.address, found.length), (AT + 3, 13));
}

#[test]
fn no_operations_that_are_executed_are_not_padding() {
    let mut bytes = vec![0x0f, 0x05, 0x90, 0x90, 0x90];
    bytes.extend([0x90; 11]);
    bytes.extend([0xc3, 0xb8, 0, 0, 0, 0, 0xc3]);
    assert_eq!(find(&bytes), None);
}

#[test]
fn filling_that_something_jumps_to_is_not_padding() {
    let mut bytes = function(&[0x90; 13]);
    assert!(find(&bytes).is_some());
    // jne to the last of the no-operations.
    bytes.extend([0x75, (-8i8) as u8]);
    assert_eq!(find(&bytes), None);
}

#[test]
fn filling_that_ends_where_no_function_begins_is_not_padding() {
    assert_eq!(find(&function(&[0xcc; 12])), None);
    assert_eq!(find(&function(&[0xcc; 4])), None);
}

/// Two functions, the second with its site where nothing behind it is near enough.
fn long_function(last: &[u8], filling: &[u8]) -> (Vec<u8>, u64) {
    let mut bytes: Vec<u8> = [0x48, 0x89, 0xc8].repeat(60);
    bytes.extend(last);
    bytes.extend(filling);
    assert!(
        (AT + bytes.len() as u64).is_multiple_of(16),
        "{}",
        bytes.len()
    );
    bytes.extend([0xb8, 1, 0, 0, 0]);
    let site = AT + bytes.len() as u64;
    bytes.extend([0x0f, 0x05]);
    bytes.extend([0x48, 0x89, 0xc8].repeat(60));
    bytes.push(0xc3);
    (bytes, site)
}

#[test]
fn padding_before_a_function_is_found() {
    let (bytes, site) = long_function(&[0xc3], &[0x90; 11]);
    let code = Code {
        address: AT,
        bytes: &bytes,
        gaps: &[],
    };
    let found = last(code, site).expect("padding");
    assert_eq!((found.address, found.length), (AT + 181, 11));
    assert_eq!(short_jump(site, found), Some([0xeb, (-18i8) as u8]));
}

#[test]
fn no_operations_that_something_goes_on_to_are_not_padding() {
    // mov rbx, rax, which ends with the byte of a return; and a call, which comes back.
    let mov: (&[u8], &[u8]) = (&[0x48, 0x89, 0xc3], &[0x90; 9]);
    let call: (&[u8], &[u8]) = (&[0xe8, 0, 0, 0, 0], &[0x90; 7]);
    for (ending, filling) in [mov, call] {
        let (bytes, site) = long_function(ending, filling);
        let code = Code {
            address: AT,
            bytes: &bytes,
            gaps: &[],
        };
        assert_eq!(last(code, site), None);
    }
}

/// A site in the middle of a long function without padding, behind these instructions.
fn far_from_padding(ahead: &[u8], behind: &[u8]) -> Option<Ahead> {
    let mut bytes: Vec<u8> = [0x48, 0x89, 0xc8].repeat(60);
    bytes.extend(ahead);
    let site = AT + bytes.len() as u64;
    bytes.extend([0x0f, 0x05]);
    bytes.extend(behind);
    bytes.extend([0x48, 0x89, 0xc8].repeat(60));
    let code = Code {
        address: AT,
        bytes: &bytes,
        gaps: &[],
    };
    match way(code, site)? {
        Way::Ahead(ahead) => Some(ahead),
        Way::Padding { .. } => None,
    }
}

#[test]
fn a_number_before_a_site_makes_room_for_a_jump() {
    let number = [0xb8, 202, 0, 0, 0];
    let found = far_from_padding(&number, &[]).expect("room");
    assert_eq!((found.address, found.length), (AT + 180, 5));
    let (instead_of, code) = Way::Ahead(found).lead_in().expect("code");
    assert_eq!(instead_of, AT + 180);
    assert_eq!(code[..10], [0xb8, 202, 0, 0, 0, 0xe9, 22, 0, 0, 0]);
    let patch = patch(AT + 185, Way::Ahead(found), AT + 0x1000).expect("near");
    assert_eq!((patch.at, patch.before.as_slice()), (AT + 180, &number[..]));
    assert_eq!(patch.after, [0xe9, 0x47, 0x0f, 0, 0]);
    // mov r10d, 8; mov rax, 202.
    assert!(far_from_padding(&[0x41, 0xba, 8, 0, 0, 0], &[]).is_some());
    assert!(far_from_padding(&[0x48, 0xc7, 0xc0, 202, 0, 0, 0], &[]).is_some());
}

#[test]
fn what_does_more_or_is_jumped_into_makes_no_room() {
    // mov eax, [rip + 8]; mov esp, 8; add eax, 8; call; push 8.
    for ahead in [
        &[0x8b, 0x05, 8, 0, 0, 0][..],
        &[0xbc, 8, 0, 0, 0],
        &[0x05, 8, 0, 0, 0],
        &[0xe8, 0, 0, 0, 0],
        &[0x68, 8, 0, 0, 0],
    ] {
        assert_eq!(far_from_padding(ahead, &[]), None);
    }
    let number = [0xb8, 0x90, 0x90, 0x90, 0x90];
    // jne to the instruction itself, to the site, and into it.
    assert!(far_from_padding(&number, &[0x75, (-9i8) as u8]).is_some());
    assert!(far_from_padding(&number, &[0x75, (-4i8) as u8]).is_some());
    assert_eq!(far_from_padding(&number, &[0x75, (-8i8) as u8]), None);
    // The last bytes of a longer one: mov rax, 0xb8 << 24 | ...
    let longer = [0x48, 0xb8, 1, 2, 3, 0xb8, 202, 0, 0, 0];
    assert_eq!(far_from_padding(&longer, &[]), None);
}

#[test]
fn a_hop_leads_to_padding_that_is_too_far_away() {
    let mut bytes = vec![0x0f, 0x05];
    bytes.extend([0x48, 0x89, 0xc8].repeat(35));
    bytes.extend([0x90, 0x90, 0xc3, 0xcc, 0xcc]);
    assert_eq!(bytes.len(), 112);
    assert_eq!(find(&bytes), None);
    bytes.extend([0x48, 0x89, 0xc8].repeat(30));
    bytes.push(0xc3);
    bytes.extend([0xcc; 5]);
    assert_eq!(bytes.len() % 16, 0);
    let code = Code {
        address: AT,
        bytes: &bytes,
        gaps: &[],
    };
    let Some(Way::Padding { hop, last }) = way(code, AT) else {
        panic!("no way");
    };
    assert_eq!(
        hop.map(|hop| (hop.address, hop.length)),
        Some((AT + 110, 2))
    );
    assert_eq!((last.address, last.length), (AT + 203, 5));
}

#[test]
fn what_is_no_site_has_no_padding() {
    assert_eq!(find(&[0x0f, 0x0b, 0xc3, 0xcc, 0xcc]), None);
    assert_eq!(find(&[]), None);
}

#[test]
fn jumps_reach_two_gibibytes() {
    assert_eq!(jump(0x1000, 0x1005), Some([0xe9, 0, 0, 0, 0]));
    assert_eq!(jump(0x1005, 0x1000), Some([0xe9, 0xf6, 0xff, 0xff, 0xff]));
    assert_eq!(jump(0x1000, 0x1_0000_1000), None);
}

/// Every site of this machine's C library: nearly all have a way.
#[test]
fn nearly_all_sites_of_the_c_library_have_a_way() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let text = maps
        .lines()
        .find(|line| line.contains(" r-xp ") && line.contains("/libc"));
    let Some(text) = text else {
        println!("skipped: no C library is mapped here (static)");
        return;
    };
    let path = text.split_whitespace().last().expect("its path");
    let words: Vec<&str> = text.split([' ', '-']).collect();
    let hex = |word: &str| u64::from_str_radix(word, 16).expect("a number");
    let (start, end) = (hex(words[0]), hex(words[1]));
    let offset = hex(text.split_whitespace().nth(2).expect("its offset"));
    let file = std::fs::read(path).expect("the library");
    let bytes = &file[offset as usize..(offset + end - start).min(file.len() as u64) as usize];
    let base = start - offset;
    let read = |at: u64, buffer: &mut [u8]| {
        let from = usize::try_from(at - base).ok()?;
        buffer.copy_from_slice(file.get(from..from + buffer.len())?);
        Some(())
    };
    let gaps = functions::gaps(base, start, end, read);
    assert!(gaps.len() > 1000, "{}", gaps.len());
    let code = Code {
        address: start,
        bytes,
        gaps: &gaps,
    };
    let sites: Vec<u64> = (0..bytes.len() - 1)
        .filter(|at| bytes[*at..].starts_with(&SYSCALL))
        .map(|at| start + at as u64)
        .collect();
    let ways: Vec<Way> = (sites.iter().filter_map(|site| way(code, *site))).collect();
    let is_padding = |way: &&Way| matches!(way, Way::Padding { .. });
    let (all, padding) = (sites.len(), ways.iter().filter(is_padding).count());
    println!(
        "{} of {all} sites, {padding} of them by padding",
        ways.len()
    );
    assert!(padding * 2 > all && ways.len() * 5 > all * 4);
}

#[test]
fn distances_to_trampolines_are_left_out_and_no_others() {
    let bytes = [0x90, 0xe9, 0x10, 0, 0, 1, 0xe9, 0x20, 0, 0, 1, 0xe9];
    let without = |jumps: &[u64]| without_distances(AT, &bytes, jumps);
    assert_eq!(without(&[]), bytes);
    // One elsewhere, and one whose distance is cut off.
    assert_eq!(without(&[AT - 1, AT + 11, AT + 0x1000]), bytes);
    let first = [0x90, 0xe9, 0, 0, 0, 0, 0xe9, 0x20, 0, 0, 1, 0xe9];
    assert_eq!(without(&[AT + 1]), first);
}

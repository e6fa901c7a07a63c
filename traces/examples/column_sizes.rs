//! Prints what each column of a trace takes, unpacked and compressed by itself: where bytes go, for
//! whoever tunes the format.

use std::collections::BTreeMap;
use std::path::Path;

use fsreplay_trace::format;
use fsreplay_trace::model::Record;

fn varint(bytes: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let Some((first, rest)) = bytes.split_first() else {
            return value;
        };
        *bytes = rest;
        value |= usize::from(first & 0x7f) << shift;
        if *first < 0x80 {
            break;
        }
    }
    value
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("which trace?")?;
    let mut reader = format::open(Path::new(&path))?;
    let mut events = 0;
    while let Some(record) = reader.next_record()? {
        events += usize::from(matches!(record, Record::Event(_)));
    }
    let file = std::fs::read(path)?;
    let mut sums: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let mut blocks = 0;
    let mut rest = &file[..];
    while let Ok(length) = zstd::zstd_safe::find_frame_compressed_size(rest) {
        let (frame, behind) = rest.split_at(length.min(rest.len()));
        rest = behind;
        if length == 0 || (frame[0] & 0xF0 == 0x50 && frame[1..4] == [0x2A, 0x4D, 0x18]) {
            continue;
        }
        let bytes = zstd::decode_all(frame)?;
        let Some((b'B', mut block)) = bytes.split_first().map(|(kind, block)| (*kind, block))
        else {
            continue;
        };
        blocks += frame.len();
        varint(&mut block);
        while !block.is_empty() {
            let (stream, length) = (varint(&mut block), varint(&mut block));
            let (column, behind) = block.split_at(length.min(block.len()));
            block = behind;
            let packed = zstd::bulk::compress(column, 12)?.len();
            let sum = sums.entry(stream).or_default();
            *sum = (sum.0 + column.len(), sum.1 + packed);
        }
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(_, (_, packed))| std::cmp::Reverse(*packed));
    let each = |bytes: usize| bytes as f64 / events.max(1) as f64;
    println!(
        "{:>10} {:>10} {:>8}  column",
        "unpacked", "packed", "an event"
    );
    for (stream, (unpacked, packed)) in rows {
        let name = reader.column_name(stream).unwrap_or_default();
        println!("{unpacked:>10} {packed:>10} {:>8.3}  {name}", each(packed));
    }
    println!("{blocks:>21} {:>8.3}  all blocks together", each(blocks));
    Ok(())
}

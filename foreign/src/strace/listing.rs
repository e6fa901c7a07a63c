//! What listings of directories tell: with -v all names, without it how many there are.

use fsreplay_trace::call::ArgKind;
use fsreplay_trace::model::FileKind;

use super::learn::{Place, Told, World};
use super::status;
use super::token::{self, field, inner, split};
use super::tree::{Entry, Id, Listed};

/// Bytes that `.` and `..` take in a listing.
const DOTS: i64 = 48;

impl World {
    /// Names were listed.
    pub fn listed(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let Some(object) = self.object(place, told, ArgKind::Fd) else {
            return;
        };
        self.tree.get_mut(object).taken_for(FileKind::Directory);
        let known = place.table.get(told.number(ArgKind::Fd) as i32);
        let Some(known) = known.map(|known| known.description) else {
            return;
        };
        let token = told.tokens.get(1).copied().unwrap_or_default();
        let mut so_far = self.descriptions[known].listing.unwrap_or(Listed {
            complete: true,
            ..Listed::default()
        });
        if told.result > 0 {
            let names = names_of(token);
            so_far.entries += match &names {
                Some(names) => names.len() as i64,
                None => comment_count(token),
            };
            so_far.bytes += told.result;
            so_far.complete &= names.is_some();
            for (name, kind) in names.unwrap_or_default() {
                if matches!(&name[..], b"." | b"..") {
                    continue;
                }
                let id = self.tree.meet(object, &name);
                if let Some(kind) = kind {
                    self.tree.get_mut(id).taken_for(kind);
                }
            }
            self.descriptions[known].listing = Some(so_far);
        } else {
            self.descriptions[known].listing = None;
            self.pass_is_over(object, so_far);
        }
    }

    /// All names of a directory were told: how many, if not which.
    fn pass_is_over(&mut self, object: Id, mut told: Listed) {
        if self.tree.get(object).listed.is_some() || self.tree.get(object).home.is_none() {
            return;
        }
        // What the tool has made is none of the start, and what it has removed is.
        let (mut here, mut bytes) = (0, 0);
        for (name, entry) in &self.tree.get(object).names {
            let Entry::Is(id) = entry else { continue };
            let home = &self.tree.get(*id).home;
            if home
                .as_ref()
                .is_none_or(|(dir, own)| *dir != object || own != name)
            {
                here += 1;
                bytes += entry_bytes(name);
            }
        }
        told.entries -= 2 + here;
        told.bytes -= DOTS + bytes;
        self.tree.get_mut(object).listed = Some(told);
    }
}

/// Bytes of an entry of a listing (`struct linux_dirent64`).
pub fn entry_bytes(name: &[u8]) -> i64 {
    (19 + name.len() as i64 + 1 + 7) / 8 * 8
}

/// Names of a listing, if the log has them (-v).
fn names_of(token: &[u8]) -> Option<Vec<(Vec<u8>, Option<FileKind>)>> {
    if !token.starts_with(b"[") {
        return None;
    }
    let entries = split(inner(token)).into_iter();
    let one = |entry: &[u8]| {
        let name = token::string(field(entry, "d_name")?).filter(|name| !name.cut)?;
        let kind = field(entry, "d_type").and_then(status::entry_kind);
        Some((name.bytes, kind))
    };
    entries.map(one).collect()
}

/// `0x55d /* 12 entries */`.
fn comment_count(token: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(token);
    let count = text
        .split("/* ")
        .nth(1)
        .and_then(|text| text.split(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

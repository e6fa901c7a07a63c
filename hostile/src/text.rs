//! The text form of scripts.
//!
//! One line a record, words between spaces; `#` begins a comment line.
//!
//! ```text
//! head uid=0 cwd=/ws command=evil         the header; comes first, may be left out
//! play rounds=3 place=/ws/b timing=10     how it is played; timing in millionths of the tool's
//! task TASK PARENT FLAGS                  a task begins; the first one's parent is -
//! exit TASK
//! dir|file|link|fifo|socket|char|block|unknown|absent PATH [target=TEXT] [mode=0o755] [size=10]
//!                                         [uid=0] [gid=0] [group=1] [mtime=0]
//! xattrs PATH NAME=SIZE…
//! list PATH NAME=KIND…
//! fd TASK FD TARGET KIND FLAGS OFFSET
//! ev TASK CALL RESULT [ARGUMENT=VALUE…]   a call; arguments as `ArgKind` names them, times as
//!                                         dur=, think=, blocked=, cpu=, ov=, back=
//! rep COUNT TASK CALL RESULT …            the same, so many times
//! flush                                   the block ends
//! wait NANOSECONDS
//! ```
//!
//! Numbers are decimal (negative ones, too), `0x…` or `0o…`. In words `\s` is a space, `\\` a
//! backslash, `\xHH` a byte, `''` an empty word, and `REP:COUNT:TEXT` repeats a text. A path of the
//! recorded machine is split at its slashes *before* that, so that `\x2f` puts one into a name;
//! `\e` is an empty name. `{outside}` stands for the absolute path of the canaries. NULL is a
//! pointer that is NULL.

mod read;
mod write;

use fsreplay_trace::model::FileKind;

pub use read::ParseError;

/// The types of files, and what they are called in texts.
const KINDS: &[(FileKind, &str)] = &[
    (FileKind::Absent, "absent"),
    (FileKind::File, "file"),
    (FileKind::Directory, "dir"),
    (FileKind::Symlink, "link"),
    (FileKind::Fifo, "fifo"),
    (FileKind::Socket, "socket"),
    (FileKind::CharDevice, "char"),
    (FileKind::BlockDevice, "block"),
    (FileKind::Unknown, "unknown"),
];

fn file_kind(word: &str) -> Option<FileKind> {
    let found = KINDS.iter().find(|(_, name)| *name == word);
    found.map(|(kind, _)| *kind)
}

fn kind_name(kind: FileKind) -> &'static str {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    found.map_or("unknown", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "\
head uid=1000 cwd=/w\\s1 command=a\\x3db\\x1b
play rounds=3 place=/ws/b timing=10
task 0 - 0x0
task 1 0 0x10f00
dir /ws/../\\e/a\\x2fb mode=0o1777 size=5 uid=1 gid=2 group=3 mtime=-4
link /ws/l target='' mode=0o777
xattrs /ws user.\\x3d=10
list /ws a=file \\e=dir ..=link
fd 0 -3 /ws/f\\\\ file 0o2 7
ev 0 openat -2 DirFd=-100 Path={outside}/\\x00 Flags=0x10000 Mode=0o644
rep 20 1 stat 0 Path=NULL dur=7 ov=1
ev 0 stat 0 Path=\\x4eULL
flush
wait 9
exit 0
";
        let script: Script = text.parse().expect("it is a script");
        assert_eq!(script.to_string(), text);
        assert_eq!(script.lines.len(), 13);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("task 0 - 0x0\nev 0 fly 0", "line 2: no such call: fly"),
            (
                "ev 0 stat 0 Mode=1",
                "line 1: the call keeps no such argument: Mode",
            ),
            ("ev 0 stat x", "line 1: no number: x"),
            (
                "dir /ws mode=9999999999",
                "line 1: too large a number: 9999999999",
            ),
            ("gift /ws", "line 1: no such line: gift"),
            ("exit", "line 1: a word too many or too few: exit"),
            ("ev 0 stat 0 Path=\\q", "line 1: no such escape: \\q"),
            ("ev 0 stat 0 Path=\\x", "line 1: no such escape: \\x"),
            (
                "ev 0 stat 0 Path=REP:99999999:ab",
                "line 1: too long a text: REP:99999999:ab",
            ),
        ] {
            let parsed: Result<Script, ParseError> = text.parse();
            assert_eq!(parsed.expect_err(text).to_string(), told);
        }
    }
}

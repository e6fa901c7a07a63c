//! Real programs, recorded from inside as far as that goes.

mod common;

use common::{EAGER, compile, watch};

fn run(source: &str, options: &[&str]) -> Option<common::Outcome> {
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), source, options)?;
    Some(watch(&[program.to_str().expect("text")], EAGER, true))
}

const STATS: &str = r#"
#include <sys/stat.h>
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>
int main(void) {
    struct stat s;
    char name[32];
    long sum = 0;
    for (int i = 0; i < 2000; i++) {
        sprintf(name, "/etc/none-%d", i);
        if (stat(name, &s) != -1) return 1;
        if (stat("/etc/passwd", &s) != 0) return 2;
        sum += s.st_size;
        int fd = open("/etc/passwd", O_RDONLY);
        char b[64];
        if (fd < 0 || read(fd, b, 64) != 64 || lseek(fd, 3, SEEK_SET) != 3 || close(fd)) return 3;
    }
    return sum == 2000 * s.st_size ? 7 : 4;
}"#;

#[test]
fn a_loop_of_calls_is_seen_whole_and_nearly_all_of_it_from_inside() {
    let Some(outcome) = run(STATS, &[]) else {
        return;
    };
    assert_eq!(outcome.exited(), Some(7), "{:?}", outcome.refusals);
    println!("{} inside of {}", outcome.inside(), outcome.calls[0].len());
    let stats = outcome.count(libc::SYS_newfstatat) + outcome.count(libc::SYS_stat);
    assert!(stats >= 4000);
    let names: Vec<&[u8]> = outcome.calls[0]
        .iter()
        .filter_map(|call| call.path.as_deref())
        .filter(|path| path.starts_with(b"/etc/none-"))
        .collect();
    assert_eq!(names.len(), 2000);
    for (number, name) in names.iter().enumerate() {
        assert_eq!(*name, format!("/etc/none-{number}").as_bytes());
    }
    assert!(outcome.inside() > 11_000, "{}", outcome.inside());
}

//! Descriptors that no call opened, and memory.

mod common;

use common::{can_record, compile, record};
use fsreplay_recorder::Status;
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::{FdState, Record};

fn fd_states(recorded: &common::Recorded) -> Vec<FdState> {
    let states = recorded.records.iter().filter_map(|record| match record {
        Record::FdState(state) => Some(*state),
        _ => None,
    });
    states.collect()
}

#[test]
fn inherited_descriptors_are_known_and_the_recorders_own_are_not() {
    if !can_record() {
        return;
    }
    let recorded = record(&["true"]);
    let states = fd_states(&recorded);
    for fd in [1, 2] {
        assert!(states.iter().any(|state| state.fd == fd), "{fd}");
    }
    for state in states {
        let target = recorded.reader.tables().string(state.target);
        assert!(
            !target.ends_with(b".incomplete.zst"),
            "{}",
            String::from_utf8_lossy(target)
        );
    }
}

#[test]
fn descriptors_that_come_over_a_socket_are_known() {
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let source = r#"
        #include <fcntl.h>
        #include <string.h>
        #include <sys/socket.h>
        #include <unistd.h>
        int main(void) {
            int s[2];
            char c = 'x', control[64];
            struct iovec v = {&c, 1};
            struct msghdr m;
            socketpair(AF_UNIX, SOCK_STREAM, 0, s);
            memset(&m, 0, sizeof m);
            m.msg_iov = &v; m.msg_iovlen = 1;
            m.msg_control = control; m.msg_controllen = CMSG_SPACE(sizeof(int));
            struct cmsghdr *h = CMSG_FIRSTHDR(&m);
            h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS;
            h->cmsg_len = CMSG_LEN(sizeof(int));
            int fd = open("/etc/passwd", O_RDONLY);
            memcpy(CMSG_DATA(h), &fd, sizeof fd);
            sendmsg(s[0], &m, 0);
            m.msg_controllen = sizeof control;
            recvmsg(s[1], &m, 0);
            memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
            return read(fd, &c, 1) == 1 ? fd : 0;
        }"#;
    let Some(program) = compile(directory.path(), source) else {
        return;
    };
    let recorded = record(&[program.to_str().expect("text")]);
    let Status::Exited(fd) = recorded.recording.status else {
        panic!("{:?}", recorded.recording.status);
    };
    let received = fd_states(&recorded)
        .into_iter()
        .rfind(|state| state.fd == fd)
        .expect("received");
    assert_eq!(
        recorded.reader.tables().string(received.target),
        b"/etc/passwd"
    );
    let pair = recorded.calls(Call::socketpair)[0];
    assert!(pair.fd(ArgKind::OutFd1).is_some_and(|fd| fd > 2));
}

#[test]
fn maps_of_files_are_recorded_and_other_memory_is_not() {
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let source = r#"
        #include <fcntl.h>
        #include <sys/mman.h>
        #include <unistd.h>
        int main(void) {
            int fd = open("/etc/passwd", O_RDONLY);
            char *a = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
            char *b = mmap(0, 1234567, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            b[0] = a[0];
            madvise(b, 1234567, MADV_DONTNEED);
            madvise(a, 4096, MADV_WILLNEED);
            munmap(b, 1234567);
            munmap(a, 4096);
            return 0;
        }"#;
    let Some(program) = compile(directory.path(), source) else {
        return;
    };
    let recorded = record(&[program.to_str().expect("text")]);
    let opened = recorded
        .on_path(b"/etc/passwd")
        .into_iter()
        .find(|event| event.result >= 0)
        .expect("opened");
    let fd = opened.result as i32;
    let map = recorded
        .calls(Call::mmap)
        .into_iter()
        .rfind(|event| event.fd(ArgKind::Fd) == Some(fd))
        .expect("mapped");
    let address = map.result as u64;
    let on_it = |call| {
        let calls = recorded.calls(call);
        calls
            .into_iter()
            .filter(move |e| e.arg(ArgKind::Address) == Some(address))
            .count()
    };
    assert_eq!((on_it(Call::munmap), on_it(Call::madvise)), (1, 1));
    let anonymous = recorded.events().find(|event| {
        event.call != Call::mmap
            && event.call.row().position(ArgKind::Address).is_some()
            && event.arg(ArgKind::Length) == Some(1_234_567)
    });
    assert_eq!(anonymous, None);
}

#[test]
fn what_is_not_recorded_is_counted() {
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("tempdir");
    let source = r#"
        #define _GNU_SOURCE
        #include <sys/socket.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void) {
            syscall(SYS_setns, -1, 0);
            syscall(SYS_setns, -1, 0);
            syscall(SYS_io_uring_setup, 0, 0);
            return 0;
        }"#;
    let Some(program) = compile(directory.path(), source) else {
        return;
    };
    let footer = record(&[program.to_str().expect("text")]).recording.footer;
    assert_eq!(footer.unrecorded.get("setns"), Some(&2));
    assert_eq!(footer.unrecorded.get("io_uring_setup"), Some(&1));
    assert!(
        footer
            .warnings
            .iter()
            .any(|warning| warning.contains("io_uring"))
    );
}

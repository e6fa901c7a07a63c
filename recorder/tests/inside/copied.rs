//! Calls of which an event copies more than registers, or counts before they return.

use std::collections::BTreeMap;

use fsreplay_recorder::{Backend, Status};
use fsreplay_trace::call::Call;

use crate::both_ways::{same_both_ways, with};
use crate::{compiled, recorded_inside};

#[test]
fn vectors_are_those_of_their_calls() {
    let source = r#"
#define _GNU_SOURCE
#include <sys/uio.h>
#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static char data[4096], read_back[4096];
static struct iovec vector[1030];
/* as many vectors, written anew for each call; gives how many bytes they have */
static size_t fill(char *bytes, int count, int by) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        size_t length = (i * 7 + by) % 3;
        vector[i] = (struct iovec){bytes + sum, length};
        sum += length;
    }
    return sum;
}
int main(int argc, char **argv) {
    /* what is too many for an event goes the traced way */
    static const int counts[] = {0, 1, 2, 17, 18, 19, 100, 1024};
    for (size_t i = 0; i < sizeof data; i++) data[i] = i * 31;
    for (int i = 0; i < 160; i++) {
        int count = counts[i % 8];
        int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
        if (fd < 0 || ftruncate(fd, i % 5) || fallocate(fd, 0, 0, 4096)) return 1;
        ssize_t sum = fill(data, count, i);
        if (writev(fd, vector, count) != sum) return 2;
        if (pwritev(fd, vector, count, 2000) != sum) return 3;
        if (pwritev2(fd, vector, count, 0, 0) != sum) return 4;
        if (i % 16 == 0 && (fsync(fd) || fdatasync(fd))) return 5;
        fill(read_back, count, i);
        if (preadv(fd, vector, count, 2000) != sum || memcmp(data, read_back, sum)) return 6;
        if (preadv2(fd, vector, count, 0, 0) != sum || memcmp(data, read_back, sum)) return 7;
        if (lseek(fd, 0, SEEK_SET) || readv(fd, vector, count) != sum) return 8;
        if (dup2(fd, 100) != 100 || dup3(fd, 101, O_CLOEXEC) != 101) return 9;
        if (close(100) || close(101) || close(fd)) return 10;
    }
    int fd = open(argv[1], O_RDWR);
    if (writev(fd, (struct iovec *)8, 3) != -1 || errno != EFAULT) return 11;
    if (readv(fd, vector, 1025) != -1 || errno != EINVAL) return 12;
    if (readv(fd, vector, -1) != -1 || errno != EINVAL) return 13;
    /* the next recording finds the same */
    struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    return futimens(fd, times) ? 14 : 0;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let file = directory.path().join("file");
    let command = [&program, &file].map(|path| path.to_str().expect("text"));
    // The tree is the same before each recording.
    let first = with(Backend::Inside, &command);
    assert_eq!(first.recording.status, Status::Exited(0));
    same_both_ways(&command, 1000);
}

#[test]
fn a_wake_stands_before_the_return_of_whom_it_wakes() {
    let source = r#"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static int word, answer;
static long futex(int *at, int command, int value) {
    return syscall(SYS_futex, at, command, value, 0, 0, 0);
}
static void wait_for(int *at, int value) {
    int now;
    while ((now = __atomic_load_n(at, __ATOMIC_ACQUIRE)) != value)
        futex(at, FUTEX_WAIT_PRIVATE, now);
}
static void tell(int *at, int value) {
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
    futex(at, FUTEX_WAKE_PRIVATE, 1);
}
static void *answers(void *unused) {
    for (int i = 1; i <= 2000; i++) {
        wait_for(&word, i);
        tell(&answer, i);
    }
    return 0;
}
int main(void) {
    pthread_t other;
    if (pthread_create(&other, 0, answers, 0)) return 1;
    for (int i = 1; i <= 2000; i++) {
        tell(&word, i);
        wait_for(&answer, i);
    }
    return pthread_join(other, 0) != 0;
}"#;
    let Some(recorded) = recorded_inside(source) else {
        return;
    };
    // By address, how many wakes no wait has returned from yet.
    let mut ahead: BTreeMap<u64, i64> = BTreeMap::new();
    let (mut wakes, mut woken) = (0, 0);
    for event in recorded.events() {
        let [address, command, ..] = event.args;
        if event.call != Call::futex {
            continue;
        }
        let ahead = ahead.entry(address).or_default();
        if event.call.wakes(command as u32) {
            assert_eq!((event.duration, event.result), (0, 0));
            wakes += 1;
            *ahead += 1;
        } else if event.result == 0 {
            woken += 1;
            *ahead -= 1;
        }
        // The end of a thread is told to who joins it by the kernel, after the last of these.
        let is_join = wakes == 4000;
        assert!(
            *ahead >= 0 || is_join,
            "wait {woken} returned before its wake"
        );
    }
    assert!(wakes >= 4000 && woken > 100, "{wakes} {woken}");
    let inside = recorded.recording.footer.recorded_inside;
    println!("{inside} of {wakes} wakes, {woken} waits");
    assert!(inside > 3000, "{inside} inside of {wakes} wakes");
}

#[test]
fn what_only_wakes_is_recorded_inside_as_well() {
    // The library's own instruction for it, which has to be seen when it returns to be patched.
    let source = r#"
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turns = PTHREAD_COND_INITIALIZER;
static long turn;
static void *takes_turns(void *own) {
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(&lock);
        while (turn != (long)own) pthread_cond_wait(&turns, &lock);
        turn = !turn;
        pthread_cond_signal(&turns);
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
int main(void) {
    pthread_t other;
    if (pthread_create(&other, 0, takes_turns, (void *)1)) return 1;
    takes_turns(0);
    return pthread_join(other, 0) != 0;
}"#;
    let Some(recorded) = recorded_inside(source) else {
        return;
    };
    let inside = recorded.recording.footer.recorded_inside;
    let all = recorded.recording.footer.events;
    println!("{inside} of {all}");
    assert!(inside > 2000, "{inside} inside of {all}");
}

#[test]
fn names_of_attributes_are_those_of_their_calls() {
    let source = r#"
#include <sys/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
/* both are written anew for each call */
static char path[4096], name[1024];
int main(int argc, char **argv) {
    char value[64];
    for (int i = 0; i < 400; i++) {
        /* what is too long for an event goes the traced way */
        snprintf(path, sizeof path, "%s%.*s", argv[1], i, "//////////////////////////////////////"
            "/////////////////////////////////////////////////////////////////////////////////////"
            "/////////////////////////////////////////////////////////////////////////////////////"
            "////////////////////////////////////////////////////////////////////////////////"
            "/////");
        snprintf(name, sizeof name, "user.%0*d", 1 + i % 250, i);
        if (getxattr(path, name, value, sizeof value) != -1) return 1;
        if (lgetxattr(path, name, 0, 0) != -1) return 2;
        if (listxattr(path, value, sizeof value) < 0 || llistxattr(path, 0, 0) < 0) return 3;
    }
    if (getxattr(path, (char *)8, value, 1) != -1 || errno != EFAULT) return 4;
    if (getxattr((char *)8, name, value, 1) != -1 || errno != EFAULT) return 5;
    if (getxattr(0, name, value, 1) != -1 || errno != EFAULT) return 6;
    if (getxattr(path, 0, value, 1) != -1 || errno != EFAULT) return 7;
    memset(name, 'x', sizeof name - 1);
    if (getxattr(path, name, value, 1) != -1 || errno != ERANGE) return 8;
    return 0;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let place = directory.path().join("place");
    std::fs::create_dir(&place).expect("a directory");
    let [program, place] = [&program, &place].map(|path| path.to_str().expect("text"));
    same_both_ways(&[program, place], 800);
    let recorded = with(Backend::Inside, &[program, place]);
    assert_eq!(recorded.recording.status, Status::Exited(0));
}

#[test]
fn a_directory_is_the_one_that_its_descriptor_led_to_when_it_was_called() {
    let source = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
/* until all of it is recorded inside */
static void warm_up(void) {
    struct stat s;
    for (int i = 0; i < 200; i++) {
        int d = open("/", O_RDONLY | O_DIRECTORY);
        faccessat(d, "etc", 0, 0);
        fstatat(d, "etc", &s, 0);
        close(d);
    }
}
/* from a descriptor to one that came over a socket */
static int received(int sent) {
    int pair[2];
    char space[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1,
        .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &sent, sizeof sent);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || sendmsg(pair[0], &message, 0) != 1) exit(1);
    close(sent);
    warm_up();
    message.msg_controllen = sizeof space;
    if (recvmsg(pair[1], &message, 0) != 1) exit(2);
    int got;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    return got;
}
int main(int argc, char **argv) {
    struct stat s;
    int mode = atoi(argv[1]), one = 7;
    int other = open(argv[3], O_RDONLY | O_DIRECTORY);
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY};
    if (mode == 1) one = received(open(argv[2], O_RDONLY | O_DIRECTORY));
    else warm_up();
    if (mode == 2) one = syscall(SYS_openat2, AT_FDCWD, argv[2], &how, sizeof how);
    if (mode == 3 && dup2(one, one) != one) return 3;
    for (int i = 0; i < 50; i++) lseek(other, 0, 0);
    if (faccessat(one, "only-one", 0, 0) || fstatat(one, "only-one-2", &s, 0)) return 4;
    if (mode == 4) {
        /* the same number for another directory */
        if (close(one) || fcntl(other, F_DUPFD, one) != one) return 5;
    } else if (dup2(other, one) != one) return 6;
    return faccessat(one, "only-other", 0, 0) ? 7 : 0;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
    for (directory, name) in [(&one, "one"), (&other, "other")] {
        std::fs::create_dir(directory).expect("a directory");
        for name in [format!("only-{name}"), format!("only-{name}-2")] {
            std::fs::write(directory.join(name), "some").expect("a file");
        }
    }
    let [program, one, other] = [&program, &one, &other].map(|path| path.display().to_string());
    for mode in 0..5 {
        let script = format!("exec {program} {mode} {one} {other} 7<{one}");
        let command = ["sh", "-c", &script];
        let first = with(Backend::Inside, &command);
        assert_eq!(first.recording.status, Status::Exited(0), "mode {mode}");
        same_both_ways(&command, 500);
    }
}

#[test]
fn programs_are_those_that_were_started_or_tried() {
    let source = r#"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char *none[] = {0};
static int starts(const char *path, char *name) {
    char *arguments[] = {name, "and more", 0};
    int status, child = vfork();
    if (child == 0) {
        char far[400] = "/none";
        memset(far + 5, 'n', 300);
        if (execve("/none/of/these", arguments, none) != -1 || errno != ENOENT) _exit(50);
        if (execve("bin/none", arguments, none) != -1 || errno != ENOENT) _exit(51);
        if (execve("/etc/passwd/none", arguments, none) != -1 || errno != ENOTDIR) _exit(52);
        if (execve(far, arguments, none) != -1 || errno != ENAMETOOLONG) _exit(53);
        if (execve("/bin/none", none, none) != -1 || errno != ENOENT) _exit(54);
        execve(path, arguments, none);
        _exit(55);
    }
    return waitpid(child, &status, 0) != child || status;
}
static void *becomes(void *path) {
    char *arguments[] = {"by a thread", 0};
    execve(path, arguments, none);
    return 0;
}
int main(int argc, char **argv) {
    if (chdir("/")) return 1;
    for (int i = 0; i < 10; i++) {
        if (starts("bin/true", "a name of its own") || starts("/bin/true", "")) return 2;
        if (starts(argv[1], "a script")) return 3;
    }
    pthread_t thread;
    if (pthread_create(&thread, 0, becomes, "/bin/true")) return 4;
    pthread_join(thread, 0);
    return 5;
}"#;
    let Some((directory, program)) = compiled(source) else {
        return;
    };
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 0\n").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("its mode");
    let [program, script] = [&program, &script].map(|path| path.to_str().expect("text"));
    same_both_ways(&[program, script], 300);
    if cfg!(target_arch = "x86_64") {
        let inside = with(Backend::Inside, &[program, script]);
        let execs = inside.calls(Call::execve).len() as u64;
        let stopped = inside.recording.footer.events - inside.recording.footer.recorded_inside;
        println!("{stopped} stopped, {execs} starts of programs");
        assert!(stopped < execs, "{stopped} stopped");
    }
}

//! A tool that is stopped while its code is patched.

mod common;

use common::{can_record, compile, record, sites};
use fsreplay_recorder::Status;

#[test]
fn a_stop_that_comes_while_code_is_patched_is_kept() {
    if !can_record() {
        return;
    }
    let source = r#"
        #include <signal.h>
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        #define CHECK(what) if (!(what)) _exit(__LINE__)
        int main(void) {
            // An end after all, where a signal is lost.
            alarm(120);
            for (int i = 0; i < 300; i++) {
                int status;
                pid_t child = fork();
                if (child == 0)
                    for (int site = 0;; site = (site + 1) % 200) sites[site]("/not/there", 0);
                usleep(200 + rand() % 3000);
                CHECK(kill(child, SIGSTOP) == 0);
                CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
                CHECK(kill(child, SIGCONT) == 0);
                CHECK(kill(child, SIGTERM) == 0);
                CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
            }
            return 0;
        }"#;
    let directory = tempfile::tempdir().expect("tempdir");
    let Some(program) = compile(directory.path(), &format!("{}{source}", sites(200))) else {
        return;
    };
    let recorded = record(&[program.to_str().expect("text")]);
    assert_eq!(
        recorded.recording.status,
        Status::Exited(0),
        "the failing line"
    );
}

//! What is let go was recorded inside before: nothing of the stub stays in the way.

use super::common::sites;
use super::traces;

/// Calls that change nothing, so many that they are made within the tool.
const CALLS: &str = r#"
    static void look(int times) {
        for (int i = 0; i < times; i++) {
            errno = 0;
            CHECK(access("/not/there", F_OK) == -1 && errno == ENOENT);
            CHECK(fcntl(0, F_GETFD) == 0 || errno == EBADF);
        }
    }
    static void go_on(pid_t child) {
        while (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)) {
            int signal = WSTOPSIG(status);
            CHECK(ptrace(PTRACE_CONT, child, 0, signal == SIGTRAP ? 0 : signal) == 0);
        }
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
"#;

#[test]
fn what_was_recorded_inside_is_let_go_without_its_ring() {
    traces(&format!(
        "{CALLS}{}",
        r#"
        int main(void) {
            pid_t child = fork();
            if (child == 0) {
                look(5000);
                CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
                // Both would write to the same ring.
                pid_t other = fork();
                if (other == 0) {
                    for (int i = 0; i < 100000; i++) CHECK(access("/not/there", F_OK) == -1);
                    _exit(0);
                }
                int flags = fcntl(1, F_GETFL);
                for (int i = 0; i < 100000; i++) CHECK(fcntl(1, F_GETFL) == flags);
                CHECK(ended(other, 0));
                _exit(0);
            }
            go_on(child);
            return 0;
        }"#
    ));
}

#[test]
fn a_thread_that_is_let_go_leaves_its_ring_to_another() {
    traces(&format!(
        "{CALLS}{}",
        r#"
        static volatile int traced, done;
        static void *of_the_traced(void *_) {
            look(3000);
            CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
            traced = 1;
            while (!done) look(1);
            return NULL;
        }
        static void *of_the_others(void *_) {
            look(20000);
            return NULL;
        }
        int main(void) {
            pid_t child = fork();
            if (child == 0) {
                look(3000);
                pthread_t one, two, three;
                pthread_create(&one, NULL, of_the_traced, NULL);
                while (!traced) usleep(100);
                pthread_create(&two, NULL, of_the_others, NULL);
                pthread_create(&three, NULL, of_the_others, NULL);
                pthread_join(two, NULL);
                pthread_join(three, NULL);
                done = 1;
                pthread_join(one, NULL);
                _exit(0);
            }
            for (;;) {
                pid_t task = waitpid(-1, &status, __WALL);
                if (task < 0) return 0;
                if (WIFSTOPPED(status)) ptrace(PTRACE_CONT, task, 0, WSTOPSIG(status));
                else CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            }
        }"#
    ));
}

#[test]
fn a_stop_that_comes_while_a_task_is_let_go_is_kept() {
    traces(
        r#"
        static volatile pid_t whom;
        static volatile int done;
        static void *stop(void *_) {
            unsigned seed = 1;
            while (!done) {
                pid_t child = whom;
                if (child == 0) continue;
                whom = 0;
                usleep(2000 + rand_r(&seed) % 600);
                kill(child, SIGSTOP);
                usleep(200);
                kill(child, SIGCONT);
            }
            return NULL;
        }
        int main(void) {
            pthread_t thread;
            pthread_create(&thread, NULL, stop, NULL);
            for (int i = 0; i < 200; i++) {
                pid_t child = fork();
                if (child == 0) for (;;) access("/not/there", F_OK);
                whom = child;
                usleep(2100);
                // Whatever comes of it, nobody waits for ever.
                ptrace(PTRACE_SEIZE, child, 0, 0);
                usleep(2000);
                whom = 0;
                CHECK(kill(child, SIGKILL) == 0);
                do CHECK(waitpid(child, &status, __WALL) == child);
                while (!WIFSIGNALED(status));
            }
            done = 1;
            pthread_join(thread, NULL);
            return 0;
        }"#,
    );
}

#[test]
fn text_beside_a_thread_that_was_let_go_is_not_changed_any_more() {
    traces(&format!(
        "{}{}",
        sites(64),
        r#"
        static volatile pid_t one;
        static volatile int go, done;
        static void *of_the_traced(void *_) {
            one = syscall(SYS_gettid);
            while (!go) usleep(1000);
            while (!done)
                for (int site = 0; site < 64; site++)
                    CHECK(sites[site]("/not/there", 0) == -ENOENT);
            return NULL;
        }
        static void *of_the_others(void *_) {
            while (!go) usleep(1000);
            for (int site = 0; site < 64; site++)
                for (int round = 0; round < 200; round++)
                    CHECK(sites[site]("/not/there", 0) == -ENOENT);
            return NULL;
        }
        int main(void) {
            pthread_t traced, others[2];
            pthread_create(&traced, NULL, of_the_traced, NULL);
            while (!one) usleep(1000);
            for (int i = 0; i < 2; i++) pthread_create(others + i, NULL, of_the_others, NULL);
            pid_t tracer = fork();
            if (tracer == 0) {
                CHECK(ptrace(PTRACE_ATTACH, one, 0, 0) == 0);
                CHECK(waitpid(one, &status, __WALL) == one);
                CHECK(ptrace(PTRACE_DETACH, one, 0, 0) == 0);
                _exit(0);
            }
            CHECK(ended(tracer, 0));
            go = 1;
            for (int i = 0; i < 2; i++) pthread_join(others[i], NULL);
            done = 1;
            pthread_join(traced, NULL);
            return 0;
        }"#
    ));
}

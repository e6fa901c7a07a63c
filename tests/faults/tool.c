/* A tool whose result shows whether all its system calls did what they do without a recorder:
 * threads, fork, vfork and exec, names that a trace can't pack well. Each call is checked; a wrong
 * one is told and ends it with status 99.
 *
 *   tool work NAMES [FILE]   does that, NAMES names a thread, and goes on until FILE is there;
 *                            status 7
 *   tool count SIGNAL        tells "ready", waits for the signal, and ends with how often it came
 *   tool ignore              tells "ready", ignores SIGINT and SIGTERM, and works without end
 *   tool loop FILE           makes FILE, and works without end
 *   tool crowd               lists /etc while it has many threads; status 7
 *   tool child               status 3
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *self;
static volatile sig_atomic_t got;

static void must(int holds, const char *what) {
    if (!holds) {
        printf("wrong: %s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(99);
    }
}

static void pause_for(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, 0);
}

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void look(uint64_t *state) {
    char name[256] = "no"; /* new to the recorder each time */
    struct stat found;
    for (int i = 0; i < 14; i++)
        sprintf(name + strlen(name), "-%016llx", (unsigned long long)next(state));
    must(stat(name, &found) == -1 && errno == ENOENT, "stat");
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    must(fd >= 0, "open");
    must(close(fd) == 0, "close");
}

static void *looks(void *argument) {
    long names = (long)argument;
    uint64_t state = 88172645463325252u ^ (uint64_t)pthread_self();
    for (long i = 0; i < names; i++)
        look(&state);
    return 0;
}

static void runs(pid_t child) {
    int status;
    must(child > 0 && waitpid(child, &status, 0) == child, "waitpid");
    must(WIFEXITED(status) && WEXITSTATUS(status) == 3, "the child's status");
}

static void work(long names) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        must(pthread_create(&threads[i], 0, looks, (void *)names) == 0, "pthread_create");
    pid_t child = fork();
    if (child == 0) {
        looks((void *)(names / 4));
        _exit(3);
    }
    runs(child);
    child = vfork();
    if (child == 0) {
        execl(self, self, "child", (char *)0);
        _exit(98);
    }
    runs(child);
    for (int i = 0; i < 3; i++)
        must(pthread_join(threads[i], 0) == 0, "pthread_join");
}

static pthread_barrier_t barrier;

static void *stays(void *argument) {
    close(-1);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return argument;
}

/* Many threads at once, and a look at a directory meanwhile. */
static void crowd(int tasks) {
    pthread_t thread;
    must(pthread_barrier_init(&barrier, 0, tasks + 1) == 0, "pthread_barrier_init");
    for (int i = 0; i < tasks; i++)
        must(pthread_create(&thread, 0, stays, 0) == 0, "pthread_create");
    pthread_barrier_wait(&barrier);
    DIR *all = opendir("/etc");
    must(all && readdir(all), "readdir");
    closedir(all);
    pthread_barrier_wait(&barrier);
}

static void count(int signal) {
    (void)signal;
    got++;
}

int main(int argc, char **argv) {
    self = argv[0];
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "child"))
        return 3;
    if (!strcmp(what, "crowd")) {
        crowd(80);
        return 7;
    }
    if (!strcmp(what, "work") && argc > 2) {
        work(atol(argv[2]));
        while (argc > 3 && access(argv[3], F_OK) != 0) {
            /* The trace shall grow by some 40 KB a second: it is written once a second. */
            pause_for(20);
            work(2);
        }
        puts("done");
        return 7;
    }
    if (!strcmp(what, "count") && argc > 2) {
        struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
        must(sigaction(atoi(argv[2]), &action, 0) == 0, "sigaction");
        puts("ready");
        fflush(stdout);
        while (!got)
            pause_for(5);
        for (int i = 0; i < 60; i++)
            pause_for(5);
        return got;
    }
    if (!strcmp(what, "ignore")) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        puts("ready");
        fflush(stdout);
        for (;;)
            work(10);
    }
    if (!strcmp(what, "loop") && argc > 2) {
        must(creat(argv[2], 0600) >= 0, "creat");
        for (;;)
            work(10);
    }
    return 2;
}

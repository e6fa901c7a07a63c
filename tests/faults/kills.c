/* Processes that are killed while they begin.
 *
 *   kills COUNT   makes COUNT processes, one after the other, of four threads that make directories
 *                 below /none, which fails. Each is killed within its first 20 milliseconds.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *makes(void *argument) {
    char name[64];
    struct stat found;
    for (long number = 0;; number++) {
        sprintf(name, "/none/%ld-%ld", (long)argument, number);
        mkdir(name, 0700);
        if (number % 3 == 0)
            stat(name, &found);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    long count = atol(argv[1]);
    for (long number = 0; number < count; number++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t other;
            for (long thread = 1; thread < 4; thread++)
                if (pthread_create(&other, 0, makes, (void *)thread))
                    _exit(3);
            makes(0);
        }
        struct timespec moment = { 0, 2000000 + number * 377777 % 18000000 };
        nanosleep(&moment, 0);
        kill(child, SIGKILL);
        int status;
        if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
            return 4;
    }
    return 0;
}

/* A tool of which is known how far it came, whatever happens to it.
 *
 *   steps FILE THREADS COUNT   each thread looks for COUNT names that are not there, one after the
 *                              other, and tries to make each eighth of them a directory:
 *                              /none/THREAD-NUMBER. FILE holds 64-bit words: its process
 *                              id, and for each thread how many it has looked for. A wrong result
 *                              ends it with status 99.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile long *words;
static long count;

static void *steps(void *argument) {
    long thread = (long)argument;
    char name[64];
    struct stat found;
    for (long number = 0; number < count; number++) {
        sprintf(name, "/none/%ld-%ld", thread, number);
        /* one that the recorder has to see before it is made, now and then */
        int result = number % 8 == 7 ? mkdir(name, 0700) : stat(name, &found);
        if (result != -1 || errno != ENOENT)
            _exit(99);
        words[1 + thread] = number + 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    long threads = atol(argv[2]);
    count = atol(argv[3]);
    int file = open(argv[1], O_RDWR);
    words = mmap(0, 8 * (1 + threads), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (words == MAP_FAILED)
        return 3;
    words[0] = getpid();
    pthread_t others[64];
    for (long thread = 1; thread < threads; thread++)
        if (pthread_create(&others[thread], 0, steps, (void *)thread))
            return 4;
    steps(0);
    for (long thread = 1; thread < threads; thread++)
        pthread_join(others[thread], 0);
    return 0;
}

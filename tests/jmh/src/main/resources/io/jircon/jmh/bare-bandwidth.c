/* The accesses that unix-mmap makes, bare. Prints: name, nanoseconds for the whole layout. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L
#define BLOCK (1L << 20)

enum path { BULK, VIEW, WORD, VIEW_WORD, PATHS };

static const char *const NAMES[PATHS] = {"bulk", "view", "word", "view-word"};
static volatile uint64_t sink;

/* Of the processor: a pass is long enough to be interrupted on a busy machine. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void transfer(int write, char *own, char *at, long bytes)
{
    struct iovec local = {own, bytes}, remote = {at, bytes};
    long moved = write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0)
                       : process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (moved != bytes)
        exit(3);
}

static void pass(enum path path, int write, char *own, char *window, long bytes)
{
    long step = path == BULK || path == VIEW ? BLOCK : PAGE;
    for (long at = 0; at < bytes; at += step) {
        volatile uint64_t *word = (volatile uint64_t *)(window + at);
        switch (path) {
        case BULK: transfer(write, own, window + at, BLOCK); break;
        case VIEW: memcpy(write ? window + at : own, write ? own : window + at, BLOCK); break;
        case WORD: transfer(write, own, window + at, 8); break;
        default:
            if (write)
                *word = at;
            else
                sink = *word;
        }
    }
}

static void measure(const char *layout, char *own, char *window, long bytes, long rounds)
{
    for (int path = 0; path < PATHS; path++)
        for (int write = 1; write >= 0; write--) {
            double best = 1e18;
            for (long r = 0; r < rounds; r++) {
                double a = now();
                pass(path, write, own, window, bytes);
                double b = now();
                best = b - a < best ? b - a : best;
            }
            printf("%s-%s-%s %f\n", write ? "write" : "read", NAMES[path], layout, best);
        }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    long runPages = atol(argv[1]), scattered = atol(argv[2]), rounds = atol(argv[3]);
    long bytes = 2 * (scattered > runPages ? scattered : runPages) * PAGE;
    int fd = memfd_create("bare", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, bytes))
        return 1;
    char *own = malloc(BLOCK);
    memset(own, 1, BLOCK);
    char *window = mmap(0, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mmap(window, runPages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    measure("run", own, window, runPages * PAGE, rounds);
    for (long i = 0; i < scattered; i++)
        if (mmap(window + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                 2 * i * PAGE) == MAP_FAILED)
            return 1;
    measure("scattered", own, window, scattered * PAGE, rounds);
    return 0;
}

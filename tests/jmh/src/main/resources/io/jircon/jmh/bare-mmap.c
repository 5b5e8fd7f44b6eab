/*
 * The system calls that unix-mmap makes, bare. As a program it prints lines: name, nanoseconds per
 * operation. As a library it writes them to memory, so that the same loop can be timed in a process
 * that has other threads and other mappings.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L

/*
 * A wish. Where something else lies in the same GiB, the kernel has a table for it and looks at each
 * 2 MiB of it on the way, which takes half as long again.
 */
#define FAR_AWAY ((void *)0x200000000000)

static double clockTime(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static double now(void)
{
    return clockTime(CLOCK_MONOTONIC);
}

/* For what is long enough to be interrupted on a busy machine. */
static double processorNow(void)
{
    return clockTime(CLOCK_THREAD_CPUTIME_ID);
}

static void reserve(char *window, long bytes)
{
    mmap(window, bytes, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

struct output {
    char *text;
    long left;
};

static void say(struct output *out, const char *name, double nanos)
{
    int used = snprintf(out->text, out->left, "%s %f\n", name, nanos);
    out->text += used;
    out->left -= used;
}

/* Has the process's page tables loaded in another processor, which then hears of each change. */
static void *spin(void *unused)
{
    for (volatile long turns = 0;; turns++)
        ;
    return unused;
}

/* Returns 0, or 1 when the machine lacks something. */
int measure(long runPages, long scattered, long rounds, long shortRounds, char *text, long size)
{
    struct output out = {text, size};
    double nothing = 1e18;
    for (long r = 0; r < shortRounds; r++) {
        double a = now();
        double b = now();
        nothing = b - a < nothing ? b - a : nothing;
    }
    say(&out, "nothing", nothing);
    long bytes = 2 * (scattered > runPages ? scattered : runPages) * PAGE;
    int fd = memfd_create("bare", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, bytes))
        return 1;
    char *window = mmap(FAR_AWAY, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    double map = 1e18, protect = 1e18, unmap = 1e18;
    for (long r = 0; r < shortRounds; r++) {
        double a = now();
        mmap(window, runPages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        double b = now();
        mprotect(window, runPages * PAGE, PROT_READ);
        double c = now();
        reserve(window, runPages * PAGE);
        double d = now();
        map = b - a < map ? b - a : map;
        protect = c - b < protect ? c - b : protect;
        unmap = d - c < unmap ? d - c : unmap;
    }
    say(&out, "map-run", map);
    say(&out, "protect-run", protect);
    say(&out, "unmap-run", unmap);
    protect = unmap = 1e18;
    for (long r = 0; r < rounds; r++) {
        mmap(window, runPages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        for (long i = 0; i < runPages; i++)
            ((volatile char *)window)[i * PAGE] = 1;
        double a = processorNow();
        mprotect(window, runPages * PAGE, PROT_READ);
        double b = processorNow();
        reserve(window, runPages * PAGE);
        double c = processorNow();
        protect = b - a < protect ? b - a : protect;
        unmap = c - b < unmap ? c - b : unmap;
    }
    say(&out, "protect-touched", protect);
    say(&out, "unmap-touched", unmap);
    map = unmap = 1e18;
    for (long r = 0; r < rounds; r++) {
        double a = processorNow();
        for (long i = 0; i < scattered; i++)
            mmap(window + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                 2 * i * PAGE);
        double b = processorNow();
        reserve(window, scattered * PAGE);
        double c = processorNow();
        map = b - a < map ? b - a : map;
        unmap = c - b < unmap ? c - b : unmap;
    }
    say(&out, "map-scattered", map);
    say(&out, "unmap-scattered", unmap);
    long block = 1 << 20;
    char *own = malloc(block);
    memset(own, 1, block);
    mmap(window, block, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    struct iovec local = {own, block}, remote = {window, block};
    double store = 1e18, load = 1e18, fault = 1e18;
    for (long r = 0; r < 400 * rounds; r++) {
        double a = now();
        process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
        double b = now();
        process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        double c = now();
        store = b - a < store ? b - a : store;
        load = c - b < load ? c - b : load;
    }
    say(&out, "store-1M", store);
    say(&out, "load-1M", load);
    local.iov_len = remote.iov_len = 8;
    for (long r = 0; r < shortRounds; r++) {
        double a = now();
        remote.iov_base = window + block; /* not there */
        process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        mmap(window + block, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, block);
        process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        double b = now();
        reserve(window + block, PAGE);
        fault = b - a < fault ? b - a : fault;
    }
    say(&out, "fault-map-retry", fault);
    free(own);
    munmap(window, bytes);
    close(fd);
    return 0;
}

/* arguments: as of measure, and how many threads shall run beside it. */
int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    for (long others = atol(argv[5]); others > 0; others--) {
        pthread_t thread;
        if (pthread_create(&thread, 0, spin, 0))
            return 1;
    }
    static char text[4096];
    int failed = measure(atol(argv[1]), atol(argv[2]), atol(argv[3]), atol(argv[4]), text,
                         sizeof text);
    fputs(text, stdout);
    return failed;
}

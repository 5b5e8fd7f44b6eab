/* The system calls that unix-mmap makes, bare. Prints: name, nanoseconds per operation. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L

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

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    long runPages = atol(argv[1]), scattered = atol(argv[2]), rounds = atol(argv[3]);
    long shortRounds = atol(argv[4]);
    long bytes = 2 * (scattered > runPages ? scattered : runPages) * PAGE;
    int fd = memfd_create("bare", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, bytes))
        return 1;
    char *window = mmap(0, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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
    printf("map-run %f\nprotect-run %f\nunmap-run %f\n", map, protect, unmap);
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
    printf("map-scattered %f\nunmap-scattered %f\n", map, unmap);
    long size = 1 << 20;
    char *own = malloc(size);
    memset(own, 1, size);
    mmap(window, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    struct iovec local = {own, size}, remote = {window, size};
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
    printf("store-1M %f\nload-1M %f\n", store, load);
    local.iov_len = remote.iov_len = 8;
    for (long r = 0; r < shortRounds; r++) {
        double a = now();
        remote.iov_base = window + size; /* not there */
        process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        mmap(window + size, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, size);
        process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        double b = now();
        reserve(window + size, PAGE);
        fault = b - a < fault ? b - a : fault;
    }
    printf("fault-map-retry %f\n", fault);
    return 0;
}

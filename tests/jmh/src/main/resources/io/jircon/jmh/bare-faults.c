/*
 * The first access to each page of a window, from its fault to its data. Prints: name, nanoseconds
 * per page.
 *
 * efault:      process_vm_readv comes back, mmap shows the page, process_vm_readv again.
 * userfaultfd: process_vm_readv is held; a handler thread polls, reads the message, shows the page
 *              by mmap, and wakes the access.
 * minor:       process_vm_readv is held at a page that shows a frame; the handler has the kernel
 *              enter it, which wakes the access.
 * zeropage:    as userfaultfd, but the page is one of zeroes, which the kernel enters and wakes the
 *              access in one call: the least that a held fault can be.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L

/* See bare-mmap.c. */
#define FAR_AWAY ((void *)0x200000000000)

enum resolution { BY_MMAP, BY_CONTINUE, BY_ZEROPAGE };

static char *window;
static long bytes;
static int frames, faults;
static volatile enum resolution resolution;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static long load(char *at)
{
    long word;
    struct iovec local = {&word, 8}, remote = {at, 8};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static void show(char *page)
{
    mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, frames, page - window);
}

static void reserve(int protection)
{
    mmap(window, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static void *handle(void *unused)
{
    struct uffd_msg message;
    for (;;) {
        struct pollfd polled = {faults, POLLIN, 0};
        poll(&polled, 1, -1);
        while (read(faults, &message, sizeof message) == sizeof message) {
            char *page = (char *)(message.arg.pagefault.address & -PAGE);
            struct uffdio_range range = {(unsigned long)page, PAGE};
            if (resolution == BY_ZEROPAGE) {
                struct uffdio_zeropage zero = {range, 0, 0};
                ioctl(faults, UFFDIO_ZEROPAGE, &zero);
            } else if (resolution == BY_CONTINUE) {
                struct uffdio_continue there = {range, 0, 0};
                ioctl(faults, UFFDIO_CONTINUE, &there);
            } else {
                show(page);
                ioctl(faults, UFFDIO_WAKE, &range);
            }
        }
    }
    return unused;
}

static int held(enum resolution how, long pages, double *best)
{
    struct uffdio_register which = {{(unsigned long)window, bytes},
                                    how == BY_CONTINUE ? UFFDIO_REGISTER_MODE_MINOR
                                                       : UFFDIO_REGISTER_MODE_MISSING, 0};
    resolution = how;
    if (how == BY_CONTINUE)
        mmap(window, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, frames, 0);
    else
        reserve(PROT_READ | PROT_WRITE);
    if (ioctl(faults, UFFDIO_REGISTER, &which))
        return 1;
    double a = now();
    for (long i = 0; i < pages; i++)
        if (load(window + i * PAGE) != 8)
            return 1;
    double each = (now() - a) / pages;
    *best = each < *best ? each : *best;
    return 0;
}

/* arguments: pages, rounds. */
int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    long pages = atol(argv[1]), rounds = atol(argv[2]);
    bytes = pages * PAGE;
    frames = memfd_create("bare", MFD_CLOEXEC);
    faults = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    struct uffdio_api api = {UFFD_API, UFFD_FEATURE_MINOR_SHMEM, 0};
    pthread_t handler;
    if (frames < 0 || ftruncate(frames, bytes) || faults < 0 || ioctl(faults, UFFDIO_API, &api)
        || pthread_create(&handler, 0, handle, 0))
        return 1;
    window = mmap(FAR_AWAY, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    double efault = 1e18, mapped = 1e18, minor = 1e18, zero = 1e18;
    for (long r = 0; r < rounds; r++) {
        reserve(PROT_NONE);
        double a = now();
        for (long i = 0; i < pages; i++) {
            char *page = window + i * PAGE;
            if (load(page) != 8)
                show(page);
            if (load(page) != 8)
                return 1;
        }
        double each = (now() - a) / pages;
        efault = each < efault ? each : efault;
        if (held(BY_MMAP, pages, &mapped) || held(BY_CONTINUE, pages, &minor)
            || held(BY_ZEROPAGE, pages, &zero))
            return 1;
    }
    printf("efault %f\nuserfaultfd %f\nminor %f\nzeropage %f\n", efault, mapped, minor, zero);
    return 0;
}

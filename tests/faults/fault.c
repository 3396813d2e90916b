/* Counts a program's writes below one folder and makes the n-th of them go wrong.
 *
 * Loaded with LD_PRELOAD. FAULT_ROOT names the folder. fault_arm(n, mode) starts counting at 1;
 * mode 0 only counts, 1 kills the process at the n-th call before it is done, 2 makes that call and
 * all later ones fail with ENOSPC, 3 makes that one call fail with EIO, 4 kills the process after
 * half of the bytes were written (for a call that writes none: as 1). fault_count() tells how many
 * calls were seen. What it cannot see is what is written through a memory map.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long seen;
static atomic_long target;
static atomic_int mode;
static char root[PATH_MAX];
static size_t root_length;

void fault_arm(long nth, int how) {
    const char *named = getenv("FAULT_ROOT");
    root_length = 0;
    if (named && realpath(named, root)) root_length = strlen(root);
    atomic_store(&seen, 0);
    atomic_store(&target, nth);
    atomic_store(&mode, how + 100); /* 0 stands for "not armed" */
}

void fault_disarm(void) { atomic_store(&mode, 0); }

long fault_count(void) { return atomic_load(&seen); }

static int below_path(const char *path) {
    if (!root_length || !path) return 0;
    return strncmp(path, root, root_length) == 0 &&
           (path[root_length] == '/' || path[root_length] == 0);
}

static int below(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below_path(path);
}

/* 0: go on; an error number: fail with it; -1: write half, then die. */
static int due(void) {
    int how = atomic_load(&mode) - 100;
    long number = atomic_fetch_add(&seen, 1) + 1;
    long nth = atomic_load(&target);
    if (how == 1 && number == nth) kill(getpid(), SIGKILL);
    if (how == 2 && nth > 0 && number >= nth) return ENOSPC;
    if (how == 3 && number == nth) return EIO;
    if (how == 4 && number == nth) return -1;
    return 0;
}

static int armed(void) { return atomic_load(&mode) != 0; }

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define DIE_OR_FAIL(fails) \
    do { \
        int trouble = due(); \
        if (trouble == -1) kill(getpid(), SIGKILL); \
        if (trouble) { errno = trouble; return fails; } \
    } while (0)

ssize_t write(int fd, const void *data, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (armed() && below(fd)) {
        int trouble = due();
        if (trouble == -1) { real(fd, data, length / 2); kill(getpid(), SIGKILL); }
        if (trouble) { errno = trouble; return -1; }
    }
    return real(fd, data, length);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    if (armed() && below(fd)) {
        int trouble = due();
        if (trouble == -1) { real(fd, data, length / 2, at); kill(getpid(), SIGKILL); }
        if (trouble) { errno = trouble; return -1; }
    }
    return real(fd, data, length, at);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    return pwrite(fd, data, length, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (armed() && below(fd)) DIE_OR_FAIL(-1);
    return real(fd, parts, count);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    if (armed() && below(fd)) DIE_OR_FAIL(-1);
    return real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    if (armed() && below(fd)) DIE_OR_FAIL(-1);
    return real(fd);
}

int ftruncate(int fd, off_t length) {
    REAL(int, "ftruncate", int, off_t);
    if (armed() && below(fd)) DIE_OR_FAIL(-1);
    return real(fd, length);
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (armed() && (below_path(from) || below_path(to))) DIE_OR_FAIL(-1);
    return real(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    if (armed() && (below_path(from) || below_path(to))) DIE_OR_FAIL(-1);
    return real(from_fd, from, to_fd, to);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    if (armed() && below_path(path)) DIE_OR_FAIL(-1);
    return real(path);
}

int unlinkat(int fd, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    if (armed() && below_path(path)) DIE_OR_FAIL(-1);
    return real(fd, path, flags);
}

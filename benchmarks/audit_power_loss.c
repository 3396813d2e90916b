/* Records what a program does to the files below one folder, in order, with the bytes.
 *
 * Loaded with LD_PRELOAD. TRACE_ROOT names the folder (no symbolic links in it), TRACE_FILE where
 * the record goes. A call and its entry happen under one lock that all processes share, so entries
 * stand in the order of the calls. An entry is the five numbers of `struct entry` followed by the
 * path, the second path and the data, of the lengths that it names.
 *
 * What it cannot see is what is written through a memory map, and descriptors passed to calls that
 * are not listed here; whoever reads the trace must compare its outcome with the files.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct entry {
    int64_t kind, inode, at, path_length, other_length, data_length;
};

enum { CREATE = 1, WRITE, SIZE, SYNC, RENAME, LINK, UNLINK, MKDIR, RMDIR };

static pthread_mutex_t threads = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int out = -1, gate = -1;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
    const char *named = getenv("TRACE_ROOT"), *file = getenv("TRACE_FILE");
    char lock[PATH_MAX];
    if (!named || !file || !realpath(named, root)) return;
    snprintf(lock, sizeof lock, "%s.lock", file);
    out = (int)syscall(SYS_openat, AT_FDCWD, file, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    gate = (int)syscall(SYS_openat, AT_FDCWD, lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (out >= 0 && gate >= 0) root_length = strlen(root);
}

static void lock(void) {
    pthread_mutex_lock(&threads);
    while (flock(gate, LOCK_EX) && errno == EINTR) {}
}

static void unlock(void) {
    int kept = errno;
    flock(gate, LOCK_UN);
    pthread_mutex_unlock(&threads);
    errno = kept;
}

static void put(const void *data, size_t length) {
    while (length) {
        ssize_t done = syscall(SYS_write, out, data, length);
        if (done < 0) abort(); /* a trace with a hole would prove nothing */
        data = (const char *)data + done;
        length -= (size_t)done;
    }
}

static void note(int kind, int64_t inode, int64_t at, const char *path, const char *other,
                 const void *data, size_t length) {
    int kept = errno;
    struct entry entry = {kind, inode, at, path ? (int64_t)strlen(path) : 0,
                          other ? (int64_t)strlen(other) : 0, (int64_t)length};
    put(&entry, sizeof entry);
    put(path, (size_t)entry.path_length);
    put(other, (size_t)entry.other_length);
    put(data, length);
    errno = kept;
}

static int below_path(const char *path) {
    return root_length && strncmp(path, root, root_length) == 0 && path[root_length] == '/';
}

/* The absolute path below the root, or NULL. */
static const char *placed(int folder, const char *path, char *whole) {
    char link[64];
    if (!root_length || !path) return NULL;
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s", path);
    } else {
        if (folder == AT_FDCWD) {
            if (!getcwd(whole, PATH_MAX)) return NULL;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, whole, PATH_MAX - 1);
            if (length <= 0) return NULL;
            whole[length] = 0;
        }
        size_t used = strlen(whole);
        snprintf(whole + used, PATH_MAX - used, "/%s", path);
    }
    return below_path(whole) ? whole : NULL;
}

static int below(int fd, char *path, int64_t *inode) {
    char link[64];
    struct stat status;
    if (!root_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!(below_path(path) || strcmp(path, root) == 0) || fstat(fd, &status)) return 0;
    *inode = (int64_t)status.st_ino;
    return 1;
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    struct stat status;
    const char *whole = flags & (O_CREAT | O_TRUNC) ? placed(folder, path, buffer) : NULL;
    if (!whole) return (int)syscall(SYS_openat, folder, path, flags, mode);
    lock();
    int there = lstat(whole, &status) == 0;
    int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0) {
        int kept = errno;
        fstat(fd, &status);
        errno = kept;
        if (!there) note(CREATE, (int64_t)status.st_ino, 0, whole, NULL, NULL, 0);
        else if (flags & O_TRUNC) note(SIZE, (int64_t)status.st_ino, 0, whole, NULL, NULL, 0);
    }
    unlock();
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    return opened(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    return opened(folder, path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t length) {
    char path[PATH_MAX];
    int64_t inode;
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!below(fd, path, &inode)) return real(fd, data, length);
    lock();
    int appends = fcntl(fd, F_GETFL) & O_APPEND;
    off_t at = lseek(fd, 0, appends ? SEEK_END : SEEK_CUR);
    ssize_t done = real(fd, data, length);
    if (done > 0) note(WRITE, inode, at, path, NULL, data, (size_t)done);
    unlock();
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
    char path[PATH_MAX];
    int64_t inode;
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    if (!below(fd, path, &inode)) return real(fd, data, length, at);
    lock();
    ssize_t done = real(fd, data, length, at);
    if (done > 0) note(WRITE, inode, at, path, NULL, data, (size_t)done);
    unlock();
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    return pwrite(fd, data, length, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t total = 0;
    for (int each = 0; each < count; each++) {
        ssize_t done = write(fd, parts[each].iov_base, parts[each].iov_len);
        if (done < 0) return total ? total : done;
        total += done;
        if ((size_t)done < parts[each].iov_len) break;
    }
    return total;
}

int ftruncate(int fd, off_t length) {
    char path[PATH_MAX];
    int64_t inode;
    REAL(int, "ftruncate", int, off_t);
    if (!below(fd, path, &inode)) return real(fd, length);
    lock();
    int failed = real(fd, length);
    if (!failed) note(SIZE, inode, length, path, NULL, NULL, 0);
    unlock();
    return failed;
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    int64_t inode;
    if (!below(fd, path, &inode)) return real(fd);
    lock();
    int failed = real(fd);
    if (!failed) note(SYNC, inode, 0, path, NULL, NULL, 0);
    unlock();
    return failed;
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return synced(fd, real);
}

static int moved(int kind, int from_fd, const char *from, int to_fd, const char *to, int flags) {
    char first[PATH_MAX], second[PATH_MAX];
    const char *source = placed(from_fd, from, first), *target = placed(to_fd, to, second);
    int number = kind == RENAME ? SYS_renameat2 : SYS_linkat;
    if (!source || !target) return (int)syscall(number, from_fd, from, to_fd, to, flags);
    lock();
    int failed = (int)syscall(number, from_fd, from, to_fd, to, flags);
    if (!failed) note(kind, 0, 0, source, target, NULL, 0);
    unlock();
    return failed;
}

int rename(const char *from, const char *to) {
    return moved(RENAME, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return moved(RENAME, from_fd, from, to_fd, to, 0);
}

int link(const char *from, const char *to) {
    return moved(LINK, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    return moved(LINK, from_fd, from, to_fd, to, flags);
}

static int removed(int folder, const char *path, int flags) {
    char buffer[PATH_MAX];
    const char *whole = placed(folder, path, buffer);
    if (!whole) return (int)syscall(SYS_unlinkat, folder, path, flags);
    lock();
    int failed = (int)syscall(SYS_unlinkat, folder, path, flags);
    if (!failed) note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, whole, NULL, NULL, 0);
    unlock();
    return failed;
}

int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }

int unlinkat(int folder, const char *path, int flags) { return removed(folder, path, flags); }

int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }

static int made(int folder, const char *path, mode_t mode) {
    char buffer[PATH_MAX];
    struct stat status;
    const char *whole = placed(folder, path, buffer);
    if (!whole) return (int)syscall(SYS_mkdirat, folder, path, mode);
    lock();
    int failed = (int)syscall(SYS_mkdirat, folder, path, mode);
    if (!failed && lstat(whole, &status) == 0)
        note(MKDIR, (int64_t)status.st_ino, 0, whole, NULL, NULL, 0);
    unlock();
    return failed;
}

int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }

int mkdirat(int folder, const char *path, mode_t mode) { return made(folder, path, mode); }

/* Makes one system call of a session go wrong: cc -shared -fPIC -o faulty_calls.so faulty_calls.c, then LD_PRELOAD.
 *
 * It counts the calls that concern files below one directory, in all processes of a session together, and makes the
 * N-th of a kind fail, fall short, or be the last that its process makes. What is to be done stands in a file that is
 * shared by these processes (`struct orders`, which faulty_calls.py writes and reads); FAULTY_CALLS names it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum call { OPEN, READ, WRITE, STAT, FSTAT, LSEEK, RENAME, UNLINK, FSYNC, MKDIR, OPENDIR, READDIR, MMAP, CLOSE, TRUNCATE, LOCK, CALLS };
enum manner { ONCE, FROM_THEN_ON, SHORT, SHORT_THEN_ERROR, KILL };

struct orders {
    long call, manner, error, at;
    long slow;          /* microseconds that each open takes */
    long hits;          /* calls that went wrong */
    long count[CALLS];
    char path[512];     /* of the first that went wrong */
    char root[512];     /* the directory that counts, without a slash at its end */
};

enum { DESCRIPTORS = 4096 };
static struct orders *orders;
static char *path_of[DESCRIPTORS]; /* NULL: not below the root */

void faulty_calls_arm(const char *name) {
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *shared = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED) orders = shared;
}

__attribute__((constructor)) static void start(void) {
    const char *name = getenv("FAULTY_CALLS");
    if (name) faulty_calls_arm(name);
}

static const char *known(int fd) { return orders && fd >= 0 && fd < DESCRIPTORS ? path_of[fd] : NULL; }

/* The path in full if it counts, else NULL. */
static const char *counts(int directory, const char *path, char full[1024]) {
    if (!orders || !path) return NULL;
    if (path[0] == '/') strncpy(full, path, 1023);
    else {
        const char *base = known(directory);
        if (base) strncpy(full, base, 510);
        else if (directory != AT_FDCWD || !getcwd(full, 510)) return NULL;
        strcat(full, "/");
        strncat(full, path, 500);
    }
    full[1023] = 0;
    size_t length = strlen(orders->root);
    return strncmp(full, orders->root, length) == 0 && (full[length] == '/' || full[length] == 0) ? full : NULL;
}

/* 0: let it be, -1: fail with errno, 1: fall short. */
static int decide(enum call call, const char *path) {
    if (!path) return 0;
    long n = __atomic_add_fetch(&orders->count[call], 1, __ATOMIC_SEQ_CST);
    if (orders->call != call || n < orders->at) return 0;
    int first = n == orders->at, then = orders->manner == FROM_THEN_ON || orders->manner == SHORT_THEN_ERROR;
    if (!first && !then) return 0;
    orders->hits++;
    if (first) strncpy(orders->path, path, sizeof orders->path - 1);
    if (orders->manner == KILL && call != WRITE) kill(getpid(), SIGKILL);
    if (first && orders->manner >= SHORT) return 1;
    errno = orders->error;
    return -1;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)

static void opened(int fd, const char *path) {
    if (fd >= 0 && fd < DESCRIPTORS && path) { free(path_of[fd]); path_of[fd] = strdup(path); }
}

static int mode_of(int flags, va_list list) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0; }

static int open_at(int directory, const char *path, int flags, int mode) {
    REAL(int, "openat", int, const char *, int, ...);
    char full[1024];
    const char *found = counts(directory, path, full);
    if (found && orders->slow) usleep(orders->slow);
    if (decide(OPEN, found)) return -1;
    int fd = real(directory, path, flags, mode);
    opened(fd, found);
    return fd;
}
#define OPENS(name) int name(const char *path, int flags, ...) { \
    va_list list; va_start(list, flags); int mode = mode_of(flags, list); va_end(list); \
    return open_at(AT_FDCWD, path, flags, mode); }
#define OPENS_AT(name) int name(int directory, const char *path, int flags, ...) { \
    va_list list; va_start(list, flags); int mode = mode_of(flags, list); va_end(list); \
    return open_at(directory, path, flags, mode); }
OPENS(open) OPENS(open64) OPENS_AT(openat) OPENS_AT(openat64)

static size_t half(size_t size) { return size > 1 ? size / 2 : size; }

ssize_t read(int fd, void *into, size_t size) {
    REAL(ssize_t, "read", int, void *, size_t);
    int how = decide(READ, known(fd));
    return how < 0 ? -1 : real(fd, into, how ? half(size) : size);
}
#define READS_AT(name) ssize_t name(int fd, void *into, size_t size, off_t offset) { \
    REAL(ssize_t, #name, int, void *, size_t, off_t); \
    int how = decide(READ, known(fd)); \
    return how < 0 ? -1 : real(fd, into, how ? half(size) : size, offset); }
READS_AT(pread) READS_AT(pread64)

static ssize_t written(ssize_t done) {
    if (orders->manner == KILL) kill(getpid(), SIGKILL);
    return done;
}
ssize_t write(int fd, const void *from, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int how = decide(WRITE, known(fd));
    return how < 0 ? -1 : how ? written(real(fd, from, half(size))) : real(fd, from, size);
}
#define WRITES_AT(name) ssize_t name(int fd, const void *from, size_t size, off_t offset) { \
    REAL(ssize_t, #name, int, const void *, size_t, off_t); \
    int how = decide(WRITE, known(fd)); \
    return how < 0 ? -1 : how ? written(real(fd, from, half(size), offset)) : real(fd, from, size, offset); }
WRITES_AT(pwrite) WRITES_AT(pwrite64)

#define STATS(name, type) int name(const char *path, type *into) { \
    REAL(int, #name, const char *, type *); char full[1024]; \
    return decide(STAT, counts(AT_FDCWD, path, full)) ? -1 : real(path, into); }
STATS(stat, struct stat) STATS(stat64, struct stat64) STATS(lstat, struct stat) STATS(lstat64, struct stat64)
#define STATS_AT(name, type) int name(int directory, const char *path, type *into, int flags) { \
    REAL(int, #name, int, const char *, type *, int); char full[1024]; \
    return decide(STAT, counts(directory, path, full)) ? -1 : real(directory, path, into, flags); }
STATS_AT(fstatat, struct stat) STATS_AT(fstatat64, struct stat64)
#define FSTATS(name, type) int name(int fd, type *into) { \
    REAL(int, #name, int, type *); return decide(FSTAT, known(fd)) ? -1 : real(fd, into); }
FSTATS(fstat, struct stat) FSTATS(fstat64, struct stat64)

#define SEEKS(name) off_t name(int fd, off_t offset, int from) { \
    REAL(off_t, #name, int, off_t, int); return decide(LSEEK, known(fd)) ? -1 : real(fd, offset, from); }
SEEKS(lseek) SEEKS(lseek64)

int renameat(int from, const char *old, int to, const char *new) {
    REAL(int, "renameat", int, const char *, int, const char *);
    char full[1024];
    return decide(RENAME, counts(to, new, full)) ? -1 : real(from, old, to, new);
}
int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }
int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    char full[1024];
    return decide(RENAME, counts(to, new, full)) ? -1 : real(from, old, to, new, flags);
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int directory, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    char full[1024];
    return decide(UNLINK, counts(directory, path, full)) ? -1 : real(directory, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

#define ON_FD(name, call) int name(int fd) { \
    REAL(int, #name, int); return decide(call, known(fd)) ? -1 : real(fd); }
ON_FD(fsync, FSYNC) ON_FD(fdatasync, FSYNC)

int mkdirat(int directory, const char *path, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    char full[1024];
    return decide(MKDIR, counts(directory, path, full)) ? -1 : real(directory, path, mode);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

DIR *opendir(const char *path) {
    REAL(DIR *, "opendir", const char *);
    char full[1024];
    const char *found = counts(AT_FDCWD, path, full);
    if (decide(OPENDIR, found)) return NULL;
    DIR *directory = real(path);
    if (directory) opened(dirfd(directory), found);
    return directory;
}
DIR *fdopendir(int fd) {
    REAL(DIR *, "fdopendir", int);
    return decide(OPENDIR, known(fd)) ? NULL : real(fd);
}
#define READS_DIRECTORY(type, name) type *name(DIR *directory) { \
    REAL(type *, #name, DIR *); return decide(READDIR, known(dirfd(directory))) ? NULL : real(directory); }
READS_DIRECTORY(struct dirent, readdir) READS_DIRECTORY(struct dirent64, readdir64)
int closedir(DIR *directory) {
    REAL(int, "closedir", DIR *);
    int fd = dirfd(directory);
    if (known(fd)) { free(path_of[fd]); path_of[fd] = NULL; }
    return real(directory);
}

#define MAPS(name) void *name(void *at, size_t size, int protection, int flags, int fd, off_t offset) { \
    REAL(void *, #name, void *, size_t, int, int, int, off_t); \
    return decide(MMAP, known(fd)) ? MAP_FAILED : real(at, size, protection, flags, fd, offset); }
MAPS(mmap) MAPS(mmap64)

/* What fails to be closed is closed all the same, as in Linux. */
int close(int fd) {
    REAL(int, "close", int);
    const char *found = known(fd);
    int how = decide(CLOSE, found), error = errno, done = real(fd);
    if (found) { free(path_of[fd]); path_of[fd] = NULL; }
    if (!how) return done;
    errno = error;
    return -1;
}

#define TRUNCATES(name) int name(int fd, off_t size) { \
    REAL(int, #name, int, off_t); return decide(TRUNCATE, known(fd)) ? -1 : real(fd, size); }
TRUNCATES(ftruncate) TRUNCATES(ftruncate64)

int flock(int fd, int operation) {
    REAL(int, "flock", int, int);
    return decide(LOCK, known(fd)) ? -1 : real(fd, operation);
}

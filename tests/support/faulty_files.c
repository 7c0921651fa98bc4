/* Preloaded: opening one file or folder, by its inode, or a share of all below a path, fails as a bad disk or a
 * network file system fails. FAULT_INODE, FAULT_ERRNO; or FAULT_BELOW, FAULT_EVERY (each n-th), FAULT_ERRNO. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int opened = 0;

static int faulty(int handle, const char *path) {
    const char *inode = getenv("FAULT_INODE"), *below = getenv("FAULT_BELOW"), *every = getenv("FAULT_EVERY");
    struct stat found;
    if (inode && fstat(handle, &found) == 0 && found.st_ino == strtoull(inode, NULL, 10)) return 1;
    return below && every && path && strstr(path, below) && __sync_add_and_fetch(&opened, 1) % atoi(every) == 0;
}

static int checked(int handle, const char *path, int flags) {
    if (handle >= 0 && (flags & O_ACCMODE) == O_RDONLY && faulty(handle, path)) {
        close(handle);
        errno = atoi(getenv("FAULT_ERRNO"));
        return -1;
    }
    return handle;
}

#define OPEN(name)                                                            \
    int name(const char *path, int flags, ...) {                              \
        static int (*real)(const char *, int, ...);                           \
        if (!real) real = dlsym(RTLD_NEXT, #name);                            \
        va_list more;                                                         \
        va_start(more, flags);                                                \
        mode_t mode = va_arg(more, mode_t);                                   \
        va_end(more);                                                         \
        return checked(real(path, flags, mode), path, flags);                 \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                          \
    int name(int at, const char *path, int flags, ...) {                      \
        static int (*real)(int, const char *, int, ...);                      \
        if (!real) real = dlsym(RTLD_NEXT, #name);                            \
        va_list more;                                                         \
        va_start(more, flags);                                                \
        mode_t mode = va_arg(more, mode_t);                                   \
        va_end(more);                                                         \
        return checked(real(at, path, flags, mode), path, flags);             \
    }
OPENAT(openat)
OPENAT(openat64)

DIR *opendir(const char *path) {
    static DIR *(*real)(const char *);
    if (!real) real = dlsym(RTLD_NEXT, "opendir");
    DIR *folder = real(path);
    if (folder && faulty(dirfd(folder), path)) {
        closedir(folder);
        errno = atoi(getenv("FAULT_ERRNO"));
        return NULL;
    }
    return folder;
}

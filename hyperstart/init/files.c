// SPDX-License-Identifier: GPL-3.0-or-later
#include "files.h"

#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void close_at_end(int *fd) {
    if (*fd >= 0)
        close(*fd);
}

void free_at_end(char **memory) { free(*memory); }

char *file_read(int directory, const char *path, size_t limit, size_t *size) {
    /* Not to hang on a FIFO that an image has in the place of a file. */
    CLOSING fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return NULL;
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size > limit) {
        errno = EINVAL;
        return NULL;
    }
    size_t capacity = (size_t)status.st_size, held = 0;
    char *data = malloc(capacity + 1);
    if (!data)
        return NULL;
    for (ssize_t got; held < capacity && (got = read(fd, data + held, capacity - held)) > 0;)
        held += (size_t)got;
    data[held] = 0;
    if (size)
        *size = held;
    return data;
}

int file_write(const char *path, const void *data, size_t size) {
    CLOSING fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    for (size_t done = 0; done < size;) {
        ssize_t written = write(fd, (const char *)data + done, size - done);
        if (written < 0)
            return -1;
        done += (size_t)written;
    }
    return 0;
}

int word_read(const char *path, char *word, size_t size) {
    CLOSING fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, word, size - 1);
    if (got < 0)
        return -1;
    word[got] = 0;
    word[strcspn(word, "\n")] = 0;
    return 0;
}

int word_write(const char *path, const char *word) {
    CLOSING fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, word, strlen(word)) < 0 ? -1 : 0;
}

int directories_make(const char *path, mode_t mode) {
    char partial[PATH_MAX];
    if ((size_t)snprintf(partial, sizeof partial, "%s", path) >= sizeof partial) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = partial + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        if (mkdir(partial, mode) < 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(partial, mode) < 0 && errno != EEXIST ? -1 : 0;
}

static int open_within(int root, const char *path) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd;
    do /* EAGAIN: something was renamed meanwhile, and the kernel could not be sure */
        fd = sys_openat2(root, path, &how);
    while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return fd;
}

static int make_directory(int root, int parent, const char *name, enum make make) {
    struct stat status = {.st_mode = 0755};
    if (make == MAKE_ALIKE && fstat(root, &status) < 0)
        return -1;
    mode_t mask = umask(make == MAKE_ALIKE ? 0 : 022);
    int made = mkdirat(parent, name, status.st_mode & 0777);
    umask(mask);
    return made < 0 && errno != EEXIST ? -1 : 0;
}

static int make_component(int root, int parent, const char *name, enum make make, bool last) {
    if (!last || make != MAKE_FILE)
        return make_directory(root, parent, name, make);
    CLOSING made = openat(parent, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
    return made < 0 ? -1 : 0;
}

int path_open(int root, const char *path, enum make make) {
    char partial[PATH_MAX];
    if ((size_t)snprintf(partial, sizeof partial, "%s", *path ? path : ".") >= sizeof partial) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t length = strlen(partial); length > 1 && partial[length - 1] == '/';)
        partial[--length] = 0;
    int fd = open_within(root, partial);
    if (fd >= 0 || errno != ENOENT || make == MAKE_NOTHING)
        return fd;

    /* The prefixes from the front: whatever is missing is made in its parent, which was resolved within the root. */
    for (char *slash = partial; slash;) {
        char *name = slash + strspn(slash, "/");
        slash = strchr(name, '/');
        if (slash)
            *slash = 0;
        if (!strcmp(name, "..")) {
            errno = EINVAL;
            return -1;
        }
        CLOSING found = open_within(root, partial);
        if (found < 0) {
            if (errno != ENOENT)
                return -1;
            char before = *name;
            *name = 0;
            CLOSING parent = open_within(root, *partial ? partial : ".");
            *name = before;
            if (parent < 0 || make_component(root, parent, name, make, !slash) < 0)
                return -1;
        }
        if (slash)
            *slash = '/';
    }
    return open_within(root, partial);
}

int tree_remove(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    if (!entries)
        return -1;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            tree_remove(directory, entry->d_name);
    closedir(entries);
    return unlinkat(parent, name, AT_REMOVEDIR);
}

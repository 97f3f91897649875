// SPDX-License-Identifier: GPL-3.0-or-later
#include "copy.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_DEPTH 256
#define MAX_ATTRIBUTES 65536

static int copy_attributes(int from, int to) {
    char *names = malloc(MAX_ATTRIBUTES), *value = malloc(MAX_ATTRIBUTES);
    ssize_t size = names && value ? flistxattr(from, names, MAX_ATTRIBUTES) : -1;
    int result = size < 0 && errno != ENOTSUP ? -1 : 0;
    for (char *name = names; result == 0 && name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, value, MAX_ATTRIBUTES);
        /* What the layers are made of stays theirs. */
        if (length >= 0 && strncmp(name, "trusted.overlay.", 16) && fsetxattr(to, name, value, (size_t)length, 0) < 0 && errno != ENOTSUP)
            result = -1;
    }
    free(names);
    free(value);
    return result;
}

/* Owner first: changing it takes setuid bits and file capabilities away. */
static int copy_metadata(int from, int to, const struct stat *status) {
    struct timespec times[2] = {status->st_atim, status->st_mtim};
    return fchown(to, status->st_uid, status->st_gid) < 0 || fchmod(to, status->st_mode & 07777) < 0 || copy_attributes(from, to) < 0 || futimens(to, times) < 0
               ? -1
               : 0;
}

static int copy_file(int from_directory, int to_directory, const char *name, const struct stat *status) {
    CLOSING from = openat(from_directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    CLOSING to = openat(to_directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (from < 0 || to < 0)
        return -1;
    ssize_t sent;
    while ((sent = sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    return sent < 0 ? -1 : copy_metadata(from, to, status);
}

static int copy_link(int from_directory, int to_directory, const char *name) {
    char target[PATH_MAX];
    ssize_t size = readlinkat(from_directory, name, target, sizeof target - 1);
    if (size < 0)
        return -1;
    target[size] = 0;
    return symlinkat(target, to_directory, name);
}

static int copy_tree(int from, int to, int depth, struct error *error);

static int copy_directory(int from_directory, int to_directory, const char *name, int depth, struct error *error) {
    CLOSING from = openat(from_directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0 || mkdirat(to_directory, name, 0700) < 0)
        return fail_errno(error, "%s", name);
    CLOSING to = openat(to_directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return to < 0 ? fail_errno(error, "%s", name) : copy_tree(from, to, depth + 1, error);
}

static int copy_entry(int from, int to, const char *name, int depth, struct error *error) {
    struct stat status;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno(error, "%s", name);
    int result;
    switch (status.st_mode & S_IFMT) {
    case S_IFDIR:
        return copy_directory(from, to, name, depth, error);
    case S_IFREG:
        result = copy_file(from, to, name, &status);
        break;
    case S_IFLNK:
        result = copy_link(from, to, name);
        break;
    case S_IFSOCK:
        return 0;
    default:
        result = mknodat(to, name, status.st_mode, status.st_rdev);
    }
    if (result == 0 && !S_ISREG(status.st_mode))
        result = fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW);
    if (result == 0 && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode))
        result = fchmodat(to, name, status.st_mode & 07777, 0);
    return result < 0 ? fail_errno(error, "%s", name) : 0;
}

static int copy_tree(int from, int to, int depth, struct error *error) {
    if (depth > MAX_DEPTH)
        return fail(error, "nested too deeply");
    int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory)
        return fail_errno(error, "directory");
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            result = copy_entry(from, to, entry->d_name, depth, error);
    closedir(directory);
    struct stat status;
    if (result == 0 && (fstat(from, &status) < 0 || copy_metadata(from, to, &status) < 0))
        result = fail_errno(error, "directory");
    return result;
}

int tree_copy(int from, int to, struct error *error) { return copy_tree(from, to, 0, error); }

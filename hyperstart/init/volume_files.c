// SPDX-License-Identifier: GPL-3.0-or-later
#include "volume_files.h"

#include "files.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names that begin so are ours: no file of a plan does. */
#define RESERVED ".."
#define ASIDE "..next"
#define DATA "..data"
#define DATA_ASIDE "..data_tmp"

static int make_parent(char *path) {
    char *slash = strrchr(path, '/');
    *slash = 0;
    int made = directories_make(path, 0755);
    *slash = '/';
    return made;
}

static int write_all(int fd, const struct bytes *data) {
    for (size_t written = 0; written < data->size;) {
        ssize_t count = write(fd, data->data + written, data->size - written);
        if (count < 0)
            return -1;
        written += (size_t)count;
    }
    return 0;
}

static int write_file(const struct volume_plan *volume, const struct file_plan *file, const char *root, struct error *error) {
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/" ASIDE "/%s", root, file->path) >= sizeof path)
        return fail(error, "volume %s: %.80s: too long", volume->name, file->path);
    CLOSING fd = make_parent(path) < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, &file->data) < 0 || (volume->group && fchown(fd, (uid_t)-1, (gid_t)volume->group) < 0) || fchmod(fd, (mode_t)file->mode) < 0)
        return fail_errno(error, "volume %s: %.80s", volume->name, file->path);
    return 0;
}

int volume_files_prepare(const struct volume_plan *volume, const char *root, struct error *error) {
    CLOSING directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || tree_remove(directory, ASIDE) < 0 || mkdirat(directory, ASIDE, 0755) < 0)
        return fail_errno(error, "volume %s", volume->name);
    for (size_t index = 0; index < volume->files.count; index++)
        if (write_file(volume, &volume->files.items[index], root, error) < 0) {
            tree_remove(directory, ASIDE);
            return -1;
        }
    return 0;
}

static bool is_reserved(const char *name) { return !strncmp(name, RESERVED, strlen(RESERVED)); }

/* Calls `each` for the name of all that is in `place`, until it returns something else than 0. */
static int for_each(int place, int (*each)(int root, int fresh, const char *name), int root, int fresh) {
    int directory = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    if (!entries)
        return -1;
    for (struct dirent *entry; !result && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            result = each(root, fresh, entry->d_name);
    closedir(entries);
    return result;
}

static int show(int root, int fresh, const char *name) {
    char target[sizeof DATA + 1 + NAME_MAX];
    (void)fresh;
    snprintf(target, sizeof target, DATA "/%s", name);
    return symlinkat(target, root, name) < 0 && errno != EEXIST ? -1 : 0;
}

static int hide(int root, int fresh, const char *name) {
    if (!is_reserved(name) && faccessat(fresh, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        unlinkat(root, name, 0);
    return 0;
}

static int forget(int root, int fresh, const char *name) {
    struct stat one, other;
    if (is_reserved(name) && fstatat(root, name, &one, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(one.st_mode) && fstat(fresh, &other) == 0 &&
        one.st_ino != other.st_ino)
        tree_remove(root, name);
    return 0;
}

int volume_files_switch(const struct volume_plan *volume, const char *root, bool keep, struct error *error) {
    char name[64], stamp[32];
    CLOSING directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return fail_errno(error, "volume %s", volume->name);
    log_stamp(stamp);
    for (char *letter; (letter = strpbrk(stamp, "-T:Z"));)
        *letter = *letter == 'Z' ? 0 : '_';
    snprintf(name, sizeof name, "..%s", stamp);
    unlinkat(directory, DATA_ASIDE, 0);
    if (renameat(directory, ASIDE, directory, name) < 0 || symlinkat(name, directory, DATA_ASIDE) < 0 || renameat(directory, DATA_ASIDE, directory, DATA) < 0)
        return fail_errno(error, "volume %s: switching its files", volume->name);
    CLOSING fresh = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fresh < 0 || for_each(fresh, show, directory, fresh) < 0 || for_each(directory, hide, directory, fresh) < 0)
        return fail_errno(error, "volume %s: showing its files", volume->name);
    return keep ? 0 : for_each(directory, forget, directory, fresh);
}

static const struct file_plan *find(const struct volume_plan *volume, const char *path) {
    for (size_t index = 0; index < volume->files.count; index++)
        if (!strcmp(volume->files.items[index].path, path))
            return &volume->files.items[index];
    return NULL;
}

static bool is_same(const struct file_plan *one, const struct file_plan *other) {
    return one->mode == other->mode && one->data.size == other->data.size && (!one->data.size || !memcmp(one->data.data, other->data.data, one->data.size));
}

bool volume_files_are_same(const struct volume_plan *one, const struct volume_plan *other) {
    if (one->files.count != other->files.count)
        return false;
    for (size_t index = 0; index < one->files.count; index++) {
        const struct file_plan *file = find(other, one->files.items[index].path);
        if (!file || !is_same(&one->files.items[index], file))
            return false;
    }
    return true;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "volume_files.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Made aside and renamed, so that nobody sees a half. */
static int write_file(const struct volume_plan *volume, const struct file_plan *file, const char *root, struct error *error) {
    char path[PATH_MAX], aside[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", root, file->path) >= sizeof path)
        return fail(error, "volume %s: %.80s: too long", volume->name, file->path);
    /* Beside the volume, on the same file system. */
    snprintf(aside, sizeof aside, "%.*s.new", (int)(sizeof aside - 5), root);
    unlink(aside);
    CLOSING fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, &file->data) < 0 || (volume->group && fchown(fd, (uid_t)-1, (gid_t)volume->group) < 0) || fchmod(fd, (mode_t)file->mode) < 0 ||
        make_parent(path) < 0 || rename(aside, path) < 0)
        return fail_errno(error, "volume %s: %.80s", volume->name, file->path);
    return 0;
}

int volume_files_write(const struct volume_plan *volume, const char *root, struct error *error) {
    for (size_t index = 0; index < volume->files.count; index++)
        if (write_file(volume, &volume->files.items[index], root, error) < 0)
            return -1;
    return 0;
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

int volume_files_change(const struct volume_plan *former, const struct volume_plan *volume, const char *root, struct error *error) {
    char path[PATH_MAX];
    for (size_t index = 0; index < former->files.count; index++)
        if (!find(volume, former->files.items[index].path)) {
            snprintf(path, sizeof path, "%s/%s", root, former->files.items[index].path);
            unlink(path);
        }
    for (size_t index = 0; index < volume->files.count; index++) {
        const struct file_plan *same = find(former, volume->files.items[index].path);
        if (!(same && is_same(same, &volume->files.items[index])) && write_file(volume, &volume->files.items[index], root, error) < 0)
            return -1;
    }
    return 0;
}

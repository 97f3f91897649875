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

int volume_files_write(const struct volume_plan *volume, const char *root, struct error *error) {
    for (size_t index = 0; index < volume->files.count; index++) {
        const struct file_plan *file = &volume->files.items[index];
        char path[PATH_MAX];
        if ((size_t)snprintf(path, sizeof path, "%s/%s", root, file->path) >= sizeof path)
            return fail(error, "volume %s: %.80s: too long", volume->name, file->path);
        if (make_parent(path) < 0)
            return fail_errno(error, "volume %s: %.80s", volume->name, file->path);
        CLOSING fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write_all(fd, &file->data) < 0 || (volume->group && fchown(fd, (uid_t)-1, (gid_t)volume->group) < 0) ||
            fchmod(fd, (mode_t)file->mode) < 0)
            return fail_errno(error, "volume %s: %.80s", volume->name, file->path);
    }
    return 0;
}

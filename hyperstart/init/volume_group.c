// SPDX-License-Identifier: GPL-3.0-or-later
#include "volume_group.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BITS 0660
#define DIRECTORY_BITS (S_ISGID | 0770)

/* A change of owner may take bits of the mode away, so the mode comes last. */
static int give(int directory, const char *name, const struct stat *status, gid_t group) {
    if (status->st_gid != group && fchownat(directory, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode))
        return 0;
    mode_t mode = (status->st_mode & 07777) | (S_ISDIR(status->st_mode) ? DIRECTORY_BITS : FILE_BITS);
    return mode == (status->st_mode & 07777) && status->st_gid == group ? 0 : fchmodat(directory, name, mode, 0);
}

static int give_all(int parent, const char *name, gid_t group) {
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    int result = entries ? 0 : -1;
    for (struct dirent *entry; !result && (entry = readdir(entries));) {
        struct stat status;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        result = fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW);
        if (!result && S_ISDIR(status.st_mode))
            result = give_all(directory, entry->d_name, group);
        if (!result)
            result = give(directory, entry->d_name, &status, group);
    }
    int cause = errno;
    if (entries)
        closedir(entries);
    errno = cause;
    return result;
}

int volume_group_set(const struct volume_plan *volume, int parent, const char *name, struct error *error) {
    struct stat status;
    gid_t group = (gid_t)volume->group;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno(error, "volume %s", volume->name);
    /* The volume itself comes last: whoever is interrupted begins again. */
    if (volume->kind == VOLUME_DISK && (volume->regroup || status.st_gid != group || (status.st_mode & DIRECTORY_BITS) != DIRECTORY_BITS) &&
        give_all(parent, name, group) < 0)
        return fail_errno(error, "volume %s: giving it to its group", volume->name);
    return give(parent, name, &status, group) < 0 ? fail_errno(error, "volume %s", volume->name) : 0;
}

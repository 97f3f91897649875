// SPDX-License-Identifier: GPL-3.0-or-later
#include "transfer.h"

#include "control.h"
#include "fields.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct attribute {
    char *name;
    struct bytes value;
};

struct entry {
    char *path, *target, *same;
    uint64_t mode, uid, gid, time, size, device;
    bool leave;
    struct {
        struct attribute *items;
        size_t count;
    } attributes;
};

static const struct rule attribute_rules[] = {
    RULE(ATTRIBUTE_NAME, FIELD_TEXT, true, attribute, name, NULL),
    RULE(ATTRIBUTE_VALUE, FIELD_BYTES, false, attribute, value, NULL),
};
static const struct form attribute_form = {
    "attribute", sizeof(struct attribute), attribute_rules, sizeof attribute_rules / sizeof *attribute_rules, false, NULL, NULL};
static const struct rule entry_rules[] = {
    RULE(ENTRY_PATH, FIELD_TEXT, false, entry, path, NULL),       RULE(ENTRY_MODE, FIELD_NUMBER, true, entry, mode, NULL),
    RULE(ENTRY_UID, FIELD_NUMBER, true, entry, uid, NULL),        RULE(ENTRY_GID, FIELD_NUMBER, true, entry, gid, NULL),
    RULE(ENTRY_TIME, FIELD_NUMBER, true, entry, time, NULL),      RULE(ENTRY_SIZE, FIELD_NUMBER, false, entry, size, NULL),
    RULE(ENTRY_TARGET, FIELD_TEXT, false, entry, target, NULL),   RULE(ENTRY_SAME, FIELD_TEXT, false, entry, same, NULL),
    RULE(ENTRY_DEVICE, FIELD_NUMBER, false, entry, device, NULL), RULE(ENTRY_ATTRIBUTE, FIELD_FORMS, false, entry, attributes, &attribute_form),
    RULE(ENTRY_LEAVE, FIELD_FLAG, false, entry, leave, NULL),
};
const struct form tree_entry_form = {"entry", sizeof(struct entry), entry_rules, sizeof entry_rules / sizeof *entry_rules, false, NULL, NULL};

static uint8_t data[65536];
static size_t begin, end;

static int take(void *target, size_t size) {
    for (uint8_t *at = target; size;) {
        if (begin == end) {
            ssize_t got = read(0, data, sizeof data);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                return -1;
            begin = 0;
            end = (size_t)got;
        }
        size_t part = end - begin < size ? end - begin : size;
        memcpy(at, data + begin, part);
        begin += part;
        at += part;
        size -= part;
    }
    return 0;
}

static int set_attributes(int fd, const struct entry *entry) {
    for (size_t index = 0; index < entry->attributes.count; index++) {
        const struct attribute *attribute = &entry->attributes.items[index];
        if (fsetxattr(fd, attribute->name, attribute->value.data, attribute->value.size, 0) < 0 && errno != ENOTSUP)
            return -1;
    }
    return 0;
}

/* Owner first: changing it takes setuid bits and file capabilities away. */
static int set_metadata(int fd, const struct entry *entry) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {(time_t)(entry->time / 1000000000), (long)(entry->time % 1000000000)}};
    return fchown(fd, (uid_t)entry->uid, (gid_t)entry->gid) < 0 || fchmod(fd, entry->mode & 07777) < 0 || set_attributes(fd, entry) < 0 ||
                   futimens(fd, times) < 0
               ? -1
               : 0;
}

static int receive_file(const char *path, const struct entry *entry) {
    static uint8_t block[65536];
    CLOSING fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    for (uint64_t left = entry->size; left;) {
        size_t part = left < sizeof block ? (size_t)left : sizeof block;
        if (take(block, part) < 0)
            return errno = EPIPE, -1;
        for (size_t done = 0; done < part;) {
            ssize_t written = write(fd, block + done, part - done);
            if (written < 0 && errno != EINTR)
                return -1;
            done += written < 0 ? 0 : (size_t)written;
        }
        left -= part;
    }
    return set_metadata(fd, entry);
}

static int receive_directory(const char *path, const struct entry *entry) {
    if (!entry->leave)
        return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
    CLOSING fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -1 : set_metadata(fd, entry);
}

static int receive_other(const char *path, const struct entry *entry) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {(time_t)(entry->time / 1000000000), (long)(entry->time % 1000000000)}};
    int made = S_ISLNK(entry->mode) ? symlink(entry->target ? entry->target : "", path)
                                    : mknod(path, (mode_t)entry->mode, makedev((unsigned)(entry->device >> 32), (unsigned)entry->device));
    if (made < 0 || lchown(path, (uid_t)entry->uid, (gid_t)entry->gid) < 0 || (!S_ISLNK(entry->mode) && chmod(path, entry->mode & 07777) < 0))
        return -1;
    return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

/* What is in the way goes, but for directories: one is only ever merged with another. */
static int make_way(const char *path, const struct entry *entry) {
    struct stat status;
    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : -1;
    if (S_ISDIR(status.st_mode))
        return S_ISDIR(entry->mode) ? 0 : (errno = EISDIR, -1);
    return S_ISDIR(entry->mode) ? (errno = ENOTDIR, -1) : unlink(path);
}

static int join(char path[PATH_MAX], const char *root, const char *below) {
    int size = snprintf(path, PATH_MAX, "%s%s%s", root, below && *below ? "/" : "", below ? below : "");
    return size >= PATH_MAX ? (errno = ENAMETOOLONG, -1) : 0;
}

static int receive_entry(const char *root, const struct entry *entry, char path[PATH_MAX]) {
    char first[PATH_MAX];
    if (join(path, root, entry->path) < 0 || (!entry->leave && make_way(path, entry) < 0))
        return -1;
    if (S_ISDIR(entry->mode))
        return receive_directory(path, entry);
    if (entry->same)
        return join(first, root, entry->same) < 0 || link(first, path) < 0 ? -1 : 0;
    return S_ISREG(entry->mode) ? receive_file(path, entry) : receive_other(path, entry);
}

static int give_up(const char *what, const char *why) {
    char line[PATH_MAX + 600];
    int size = snprintf(line, sizeof line, "%s: %s\n", what, why);
    ssize_t written = write(2, line, (size_t)size < sizeof line ? (size_t)size : sizeof line);
    return written < 0 ? 2 : 1;
}

/* argv[0] itself, or, when it is a directory, the name in it. */
static int find_root(char *const *argv, char root[PATH_MAX]) {
    struct stat status;
    if (stat(argv[0], &status) == 0 && S_ISDIR(status.st_mode)) {
        if (!argv[1])
            return join(root, argv[0], NULL);
        return join(root, argv[0], argv[1]);
    }
    return join(root, argv[0], NULL);
}

int tree_receive(char *const *argv) {
    static char root[PATH_MAX], path[PATH_MAX];
    static uint8_t fields[ENTRY_MAX_SIZE];
    uint8_t length[4];
    umask(0);
    if (find_root(argv, root) < 0)
        return give_up(argv[0], strerror(errno));
    while (take(length, sizeof length) == 0) {
        uint32_t size = get_u32(length);
        struct entry entry = {0};
        struct arena arena = {NULL};
        struct error error;
        if (!size)
            return 0;
        if (size > sizeof fields || take(fields, size) < 0)
            break;
        int result = form_parse(&tree_entry_form, fields, size, &entry, &arena, &error);
        if (result < 0)
            return give_up(argv[0], error.text);
        result = receive_entry(root, &entry, path);
        int reason = errno;
        arena_free(&arena);
        if (result < 0)
            return give_up(path, strerror(reason));
    }
    return give_up(argv[0], "what was sent ended in the middle");
}

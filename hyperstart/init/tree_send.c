// SPDX-License-Identifier: GPL-3.0-or-later
#include "transfer.h"

#include "control.h"
#include "fields.h"
#include "files.h"

#include <dirent.h>
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

#define MAX_DEPTH 256
#define MAX_ATTRIBUTES 65536
#define BUCKETS 4096

/* A file that has several names, and the first of them that was sent. */
struct seen {
    struct seen *next;
    dev_t device;
    ino_t inode;
    char path[];
};

static struct {
    uint8_t data[65536]; /* what is to be written */
    size_t held;
    struct writer entry;
    char path[PATH_MAX];
    size_t length;
    struct seen *seen[BUCKETS];
    bool failed;
} sender;

static void complain(const char *message) {
    char line[PATH_MAX + 128];
    int size = snprintf(line, sizeof line, "%s: %s\n", sender.length ? sender.path : ".", message);
    sender.failed = true;
    if (write(2, line, (size_t)size < sizeof line ? (size_t)size : sizeof line) < 0)
        sender.failed = true;
}

static int flush(void) {
    for (size_t begin = 0; begin < sender.held;) {
        ssize_t written = write(1, sender.data + begin, sender.held - begin);
        if (written < 0 && errno != EINTR)
            return -1;
        begin += written < 0 ? 0 : (size_t)written;
    }
    sender.held = 0;
    return 0;
}

static int put(const void *data, size_t size) {
    for (const uint8_t *at = data; size;) {
        size_t part = sizeof sender.data - sender.held < size ? sizeof sender.data - sender.held : size;
        memcpy(sender.data + sender.held, at, part);
        sender.held += part;
        at += part;
        size -= part;
        if (sender.held == sizeof sender.data && flush() < 0)
            return -1;
    }
    return 0;
}

static int put_entry(void) {
    uint8_t length[4];
    if (sender.entry.overflow) {
        complain("its attributes are too long");
        return 1;
    }
    put_u32(length, (uint32_t)sender.entry.size);
    return put(length, sizeof length) < 0 || put(sender.entry.data, sender.entry.size) < 0 ? -1 : 0;
}

static void begin_entry(const struct stat *status) {
    int64_t time = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
    sender.entry.size = 0;
    sender.entry.overflow = false;
    if (sender.length)
        write_text(&sender.entry, ENTRY_PATH, sender.path);
    write_number(&sender.entry, ENTRY_MODE, status->st_mode);
    write_number(&sender.entry, ENTRY_UID, status->st_uid);
    write_number(&sender.entry, ENTRY_GID, status->st_gid);
    write_number(&sender.entry, ENTRY_TIME, time < 0 ? 0 : (uint64_t)time);
}

static void add_attributes(int fd) {
    static char names[MAX_ATTRIBUTES], value[MAX_ATTRIBUTES];
    ssize_t size = flistxattr(fd, names, sizeof names);
    for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(fd, name, value, sizeof value);
        /* What the layers are made of stays theirs. */
        if (length < 0 || !strncmp(name, "trusted.overlay.", 16))
            continue;
        size_t begin = write_begin(&sender.entry, ENTRY_ATTRIBUTE);
        write_text(&sender.entry, ATTRIBUTE_NAME, name);
        write_bytes(&sender.entry, ATTRIBUTE_VALUE, value, (size_t)length);
        write_end(&sender.entry, begin);
    }
}

/* The name that a file was sent by; NULL: this one is the first. */
static const char *sent_before(const struct stat *status) {
    struct seen **link = &sender.seen[status->st_ino % BUCKETS];
    for (struct seen *seen = *link; seen; seen = seen->next)
        if (seen->inode == status->st_ino && seen->device == status->st_dev)
            return seen->path;
    struct seen *seen = malloc(sizeof *seen + sender.length + 1);
    if (seen) {
        *seen = (struct seen){*link, status->st_dev, status->st_ino};
        memcpy(seen->path, sender.path, sender.length + 1);
        *link = seen;
    }
    return NULL;
}

static int send_content(int fd, uint64_t size) {
    static uint8_t block[65536];
    while (size) {
        ssize_t got = read(fd, block, size < sizeof block ? size : sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            complain(got < 0 ? strerror(errno) : "has become shorter while it was read");
            memset(block, 0, sizeof block);
            while (size) {
                size_t part = size < sizeof block ? size : sizeof block;
                if (put(block, part) < 0)
                    return -1;
                size -= part;
            }
            return 0;
        }
        if (put(block, (size_t)got) < 0)
            return -1;
        size -= (uint64_t)got;
    }
    return 0;
}

static int send_file(int directory, const char *name, const struct stat *status) {
    const char *before = status->st_nlink > 1 ? sent_before(status) : NULL;
    if (before) {
        begin_entry(status);
        write_text(&sender.entry, ENTRY_SAME, before);
        return put_entry();
    }
    CLOSING fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        complain(strerror(errno));
        return 0;
    }
    begin_entry(status);
    write_number(&sender.entry, ENTRY_SIZE, (uint64_t)status->st_size);
    add_attributes(fd);
    int result = put_entry();
    return result ? result : send_content(fd, (uint64_t)status->st_size);
}

static int send_entry(int parent, const char *name, int depth);

static int send_directory(int parent, const char *name, const struct stat *status, int depth) {
    int fd = depth < MAX_DEPTH ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : (errno = ELOOP, -1);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        complain(strerror(errno));
        if (fd >= 0)
            close(fd);
        return 0;
    }
    begin_entry(status);
    int result = put_entry();
    size_t length = sender.length;
    for (struct dirent *entry; result >= 0 && (entry = readdir(directory));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        int size = snprintf(sender.path + length, sizeof sender.path - length, "%s%s", length ? "/" : "", entry->d_name);
        if ((size_t)size >= sizeof sender.path - length) {
            sender.path[length] = 0;
            complain("what is in it has a name that is too long");
            continue;
        }
        sender.length = length + (size_t)size;
        result = send_entry(fd, entry->d_name, depth + 1);
        sender.length = length;
        sender.path[length] = 0;
    }
    if (result >= 0) {
        begin_entry(status);
        write_number(&sender.entry, ENTRY_LEAVE, 1);
        add_attributes(fd);
        result = put_entry();
    }
    closedir(directory);
    return result;
}

/* -1: there is no one to send to. */
static int send_entry(int parent, const char *name, int depth) {
    char target[PATH_MAX];
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        complain(strerror(errno));
        return 0;
    }
    if (S_ISDIR(status.st_mode))
        return send_directory(parent, name, &status, depth);
    if (S_ISREG(status.st_mode))
        return send_file(parent, name, &status);
    if (S_ISSOCK(status.st_mode))
        return 0; /* of no use without who listens on it */
    begin_entry(&status);
    if (S_ISLNK(status.st_mode)) {
        ssize_t size = readlinkat(parent, name, target, sizeof target - 1);
        if (size < 0) {
            complain(strerror(errno));
            return 0;
        }
        target[size] = 0;
        write_text(&sender.entry, ENTRY_TARGET, target);
    } else if (!S_ISFIFO(status.st_mode)) {
        write_number(&sender.entry, ENTRY_DEVICE, (uint64_t)major(status.st_rdev) << 32 | minor(status.st_rdev));
    }
    return put_entry();
}

int tree_send(char *const *argv) {
    static uint8_t entry[ENTRY_MAX_SIZE];
    static const uint8_t end[4];
    sender.entry = (struct writer){.data = entry, .capacity = sizeof entry};
    struct stat status;
    if (fstatat(AT_FDCWD, argv[0], &status, AT_SYMLINK_NOFOLLOW) < 0) {
        snprintf(sender.path, sizeof sender.path, "%s", argv[0]);
        sender.length = strlen(sender.path);
        complain(strerror(errno));
        return 1;
    }
    return send_entry(AT_FDCWD, argv[0], 0) < 0 || put(end, sizeof end) < 0 || flush() < 0 || sender.failed;
}

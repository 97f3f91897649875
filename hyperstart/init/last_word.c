// SPDX-License-Identifier: GPL-3.0-or-later
#include "last_word.h"

#include "files.h"
#include "machine.h"
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tail_add(struct tail *tail, const char *data, size_t size) {
    if (size > sizeof tail->data) {
        data += size - sizeof tail->data;
        size = sizeof tail->data;
    }
    size_t kept = sizeof tail->data - size;
    if (tail->size > kept) {
        memmove(tail->data, tail->data + tail->size - kept, kept);
        tail->size = kept;
    }
    memcpy(tail->data + tail->size, data, size);
    tail->size += size;
}

/* It lies with the writable layers, where a container may write anyway: it can fill its disk by it, and not the guest's memory. */
static const char *place(const struct container_plan *container) { return state_path("scratch/last-words/%s", container->name); }

int last_word_mount(const struct container_plan *container, int root, struct error *error) {
    if (!container->last_word_path)
        return 0;
    const char *path = place(container);
    if (directories_make(state_path("scratch/last-words"), 0700) < 0 || (unlink(path) < 0 && errno != ENOENT))
        return fail_errno(error, "making %s", path);
    CLOSING made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    CLOSING target = made < 0 || fchmod(made, 0666) < 0 ? -1 : path_open(root, container->last_word_path, MAKE_FILE);
    CLOSING tree = target < 0 ? -1 : sys_open_tree(AT_FDCWD, path, X_OPEN_TREE_CLONE | O_CLOEXEC);
    if (tree < 0 || sys_move_mount(tree, target) < 0)
        return fail_errno(error, "mounting %s", container->last_word_path);
    return 0;
}

static size_t read_file(const struct container_plan *container, char *text, size_t limit) {
    CLOSING fd = open(place(container), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return 0;
    ssize_t got = pread(fd, text, limit, status.st_size > (off_t)limit ? status.st_size - (off_t)limit : 0);
    return got < 0 ? 0 : (size_t)got;
}

static size_t read_tail(const struct tail *tail, char *text, size_t limit) {
    size_t begin = tail->size > limit ? tail->size - limit : 0, newlines = 0;
    for (size_t index = tail->size; index > begin; index--)
        if (tail->data[index - 1] == '\n' && newlines++ == LAST_WORD_TAIL_LINES)
            begin = index;
    memcpy(text, tail->data + begin, tail->size - begin);
    return tail->size - begin;
}

void last_word_read(const struct container_plan *container, bool failed, const struct tail *tail, char *text, size_t limit) {
    size_t size = container->last_word_path ? read_file(container, text, limit) : 0;
    if (!size && failed && container->last_word_from_log)
        size = read_tail(tail, text, limit);
    for (size_t index = 0; index < size; index++)
        if (!text[index])
            text[index] = '?';
    text[size] = 0;
}

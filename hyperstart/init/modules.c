// SPDX-License-Identifier: GPL-3.0-or-later
#include "modules.h"

#include "files.h"
#include "module_file.h"
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_MODULE (64 << 20)

/* Kept, since PID 1 leaves the root that it can be found in. */
static int directory = -1;

static ssize_t read_module(const char *name, char *space) {
    CLOSING fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    ssize_t size = 0, got = -1;
    while (fd >= 0 && (got = read(fd, space + size, (size_t)(MAX_MODULE - size))) > 0)
        size += got;
    return got < 0 ? -1 : size;
}

static int load(const char *name, char *space) {
    ssize_t size = read_module(name, space);
    if (size < 0)
        return -1;
    /*
     * Checking the signatures is three quarters of the work of loading, and proves nothing here: they come from where PID 1 and the kernel come from.
     * A kernel that insists gets them.
     */
    size_t less = module_unsigned_size(space, (size_t)size);
    module_trim(space, less);
    if (sys_init_module(space, less, "") == 0 || errno == EEXIST)
        return 0;
    if (less == (size_t)size || errno != EKEYREJECTED)
        return -1;
    return read_module(name, space) == size && sys_init_module(space, (size_t)size, "") == 0 ? 0 : -1;
}

/* Those of a list up to an empty line; returns what is left of it. */
static char *load_list(char *next) {
    /* One place for all of them, of which as much becomes memory as the largest takes. */
    char *space = mmap(NULL, MAX_MODULE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) {
        fprintf(stderr, "hyperstart: modules: %s\n", strerror(errno));
        return next;
    }
    while (*next) {
        char *name = next;
        next += strcspn(next, "\n");
        if (*next)
            *next++ = 0;
        if (!*name)
            break;
        /* One that a kernel has built in or does not take is no reason to give up: whoever needs it will say so. */
        if (load(name, space) < 0)
            fprintf(stderr, "hyperstart: module %s: %s\n", name, strerror(errno));
    }
    munmap(space, MAX_MODULE);
    return next;
}

/* The initramfs stays in memory for ever, below the new root. names: each with a NUL, as a list is when it has been loaded. */
static void remove_list(const char *names, size_t size) {
    for (const char *name = names; name < names + size; name += strlen(name) + 1)
        if (*name)
            unlinkat(directory, name, 0);
}

void modules_load_part(void) {
    static char *order, *next;
    static size_t size;
    if (directory < 0) {
        directory = open("/modules", O_PATH | O_DIRECTORY | O_CLOEXEC);
        next = order = file_read(directory, "order", 65536, &size);
    }
    if (!order)
        return;
    next = load_list(next);
    if (*next)
        return;
    remove_list(order, size);
    free(order);
    order = NULL;
}

void modules_load_extra(const char *name) {
    char file[64];
    size_t size;
    snprintf(file, sizeof file, "%s.order", name);
    FREEING list = file_read(directory, file, 65536, &size);
    if (!list)
        return;
    load_list(list);
    remove_list(list, size);
}

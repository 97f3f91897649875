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

#define MAX_MODULE (64 << 20)

static int load(int directory, const char *name) {
    size_t size;
    FREEING data = file_read(directory, name, MAX_MODULE, &size);
    if (!data)
        return -1;
    /*
     * Checking the signatures is three quarters of the work of loading, and proves nothing here: they come from where PID 1 and the kernel come from.
     * A kernel that insists gets them.
     */
    size_t less = module_unsigned_size(data, size);
    module_trim(data, less);
    if (sys_init_module(data, less, "") == 0 || errno == EEXIST)
        return 0;
    if (less == size || errno != EKEYREJECTED)
        return -1;
    FREEING whole = file_read(directory, name, MAX_MODULE, &size);
    return whole && sys_init_module(whole, size, "") == 0 ? 0 : -1;
}

/* Kept, since PID 1 leaves the root that it can be found in. */
static int directory = -1;

/* Those of a list up to an empty line; returns what is left of it. */
static char *load_list(char *next) {
    while (next && *next) {
        char *name = next;
        next += strcspn(next, "\n");
        if (*next)
            *next++ = 0;
        if (!*name)
            break;
        /* One that a kernel has built in or does not take is no reason to give up: whoever needs it will say so. */
        if (load(directory, name) < 0)
            fprintf(stderr, "hyperstart: module %s: %s\n", name, strerror(errno));
        /* The initramfs stays in memory for ever, below the new root. */
        unlinkat(directory, name, 0);
    }
    return next;
}

void modules_load_part(void) {
    static char *next;
    if (directory < 0) {
        directory = open("/modules", O_PATH | O_DIRECTORY | O_CLOEXEC);
        next = file_read(directory, "order", 65536, NULL);
    }
    next = load_list(next);
}

void modules_load_extra(const char *name) {
    char file[64];
    snprintf(file, sizeof file, "%s.order", name);
    FREEING list = file_read(directory, file, 65536, NULL);
    load_list(list);
}

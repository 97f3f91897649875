// SPDX-License-Identifier: GPL-3.0-or-later
#include "modules.h"

#include "fields.h"
#include "files.h"
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_MARK "~Module signature appended~\n"
#define SIGNATURE_HEAD_SIZE 12
#define MAX_MODULE (64 << 20)

/*
 * The size of a module without the signature at its end: `signature, 8 bytes about it, its size u32 big-endian, the mark` (the kernel's module_signature.h).
 */
static size_t unsigned_size(const char *data, size_t size) {
    size_t mark = sizeof SIGNATURE_MARK - 1;
    if (size < mark + SIGNATURE_HEAD_SIZE || memcmp(data + size - mark, SIGNATURE_MARK, mark))
        return size;
    const uint8_t *length = (const uint8_t *)data + size - mark - 4;
    size_t signature = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    size_t left = size - mark - SIGNATURE_HEAD_SIZE;
    return signature < left ? left - signature : size;
}

static int load(int directory, const char *name) {
    size_t size;
    FREEING data = file_read(directory, name, MAX_MODULE, &size);
    if (!data)
        return -1;
    /*
     * Checking the signatures is three quarters of the work of loading, and proves nothing here: they come from where PID 1 and the kernel come from.
     * A kernel that insists gets them.
     */
    size_t less = unsigned_size(data, size);
    if (sys_init_module(data, less, "") == 0 || errno == EEXIST)
        return 0;
    return less < size && errno == EKEYREJECTED && sys_init_module(data, size, "") == 0 ? 0 : -1;
}

void modules_load_part(void) {
    static int directory = -1;
    static char *order, *next;
    if (directory < 0) {
        /* Kept, since PID 1 leaves the root that it can be found in. */
        directory = open("/modules", O_PATH | O_DIRECTORY | O_CLOEXEC);
        next = order = file_read(directory, "order", 65536, NULL);
    }
    while (next && *next) {
        char *name = next;
        next += strcspn(next, "\n");
        if (*next)
            *next++ = 0;
        if (!*name)
            return;
        /* One that a kernel has built in or does not take is no reason to give up: whoever needs it will say so. */
        if (load(directory, name) < 0)
            fprintf(stderr, "hyperstart: module %s: %s\n", name, strerror(errno));
        /* The initramfs stays in memory for ever, below the new root. */
        unlinkat(directory, name, 0);
    }
}

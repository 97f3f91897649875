// SPDX-License-Identifier: GPL-3.0-or-later
#include "modules.h"

#include "fields.h"
#include "files.h"
#include "syscalls.h"

#include <elf.h>
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

/*
 * Takes the name from a section, so that the kernel does not find it. For its type information (.BTF) it would first read all of its own, for its
 * tables of stack frames sort them: together they are most of what is left of loading, and serve tracing and debugging alone.
 */
static void hide_sections(char *data, size_t size) {
    static const char *const hidden[] = {".BTF", ".orc_unwind", ".orc_unwind_ip"};
    Elf64_Ehdr *header = (Elf64_Ehdr *)data;
    if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_ident[EI_CLASS] != ELFCLASS64)
        return;
    if (header->e_shoff > size || header->e_shnum > (size - header->e_shoff) / sizeof(Elf64_Shdr) || header->e_shstrndx >= header->e_shnum)
        return;
    Elf64_Shdr *sections = (Elf64_Shdr *)(data + header->e_shoff), *names = &sections[header->e_shstrndx];
    if (names->sh_offset > size || names->sh_size > size - names->sh_offset || !names->sh_size || data[names->sh_offset + names->sh_size - 1])
        return;
    for (size_t index = 0; index < header->e_shnum; index++)
        for (size_t word = 0; word < sizeof hidden / sizeof *hidden; word++)
            if (sections[index].sh_name < names->sh_size && !strcmp(data + names->sh_offset + sections[index].sh_name, hidden[word])) {
                sections[index].sh_name = 0;
                /* Nor is it loaded and relocated. */
                sections[index].sh_flags &= ~(Elf64_Xword)SHF_ALLOC;
            }
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
    hide_sections(data, less);
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

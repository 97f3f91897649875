// SPDX-License-Identifier: GPL-3.0-or-later
#include "module_file.h"

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SIGNATURE_MARK "~Module signature appended~\n"
#define SIGNATURE_HEAD_SIZE 12
#define CALL 0xe8

/* An ELF file whose section headers, and their names, lie within it. */
struct module {
    char *data;
    size_t size, count;
    Elf64_Shdr *sections;
    const char *names;
    size_t names_size;
};

/* `signature, 8 bytes about it, its size u32 big-endian, the mark` (the kernel's module_signature.h). */
size_t module_unsigned_size(const char *data, size_t size) {
    size_t mark = sizeof SIGNATURE_MARK - 1;
    if (size < mark + SIGNATURE_HEAD_SIZE || memcmp(data + size - mark, SIGNATURE_MARK, mark))
        return size;
    const uint8_t *length = (const uint8_t *)data + size - mark - 4;
    size_t signature = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    size_t left = size - mark - SIGNATURE_HEAD_SIZE;
    return signature < left ? left - signature : size;
}

static bool lies_within(const struct module *module, const Elf64_Shdr *section) {
    return section->sh_type != SHT_NOBITS && section->sh_offset <= module->size && section->sh_size <= module->size - section->sh_offset;
}

/* Whether it can be read as an array of what the ELF standard says of its type. */
static bool is_table(const struct module *module, const Elf64_Shdr *section, uint32_t type) {
    return section->sh_type == type && lies_within(module, section) && section->sh_offset % sizeof(uint64_t) == 0;
}

/* Of a table of strings; "" for what does not end in it. */
static const char *text_at(const char *table, size_t size, size_t at) { return at < size && !table[size - 1] ? table + at : ""; }

static bool open_module(struct module *module, char *data, size_t size) {
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)data;
    if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
        return false;
    if (header->e_shoff % sizeof(uint64_t) || header->e_shoff > size || header->e_shnum > (size - header->e_shoff) / sizeof(Elf64_Shdr) ||
        header->e_shstrndx >= header->e_shnum)
        return false;
    *module = (struct module){.data = data, .size = size, .count = header->e_shnum, .sections = (Elf64_Shdr *)(data + header->e_shoff)};
    const Elf64_Shdr *names = &module->sections[header->e_shstrndx];
    module->names = data + names->sh_offset;
    module->names_size = names->sh_size;
    return lies_within(module, names);
}

/*
 * Takes the name from a section, so that the kernel does not find it. Without them the module does the same:
 * - of its types it would first read all of the kernel's own, the tables of stack frames it would sort, and look each function up by its name for the one
 *   of those that can be traced;
 * - each static call, and each lock that one processor alone does not need, it would rewrite in code that might run, with a switch to another address
 *   space and back. A static call that is left alone takes its way over the kernel's trampoline.
 */
static void hide_sections(struct module *module) {
    static const char *const hidden[] = {".BTF", ".orc_unwind", ".orc_unwind_ip", "__mcount_loc", ".static_call_sites", ".smp_locks"};
    for (size_t index = 0; index < module->count; index++)
        for (size_t word = 0; word < sizeof hidden / sizeof *hidden; word++)
            if (!strcmp(text_at(module->names, module->names_size, module->sections[index].sh_name), hidden[word])) {
                module->sections[index].sh_name = 0;
                /* Nor is it loaded and relocated. */
                module->sections[index].sh_flags &= ~(Elf64_Xword)SHF_ALLOC;
            }
}

/* The number of the symbol that each function calls first, for whoever traces it; 0: there is none. */
static size_t find_tracer(const struct module *module, const Elf64_Shdr *table) {
    const Elf64_Sym *symbols = (const Elf64_Sym *)(module->data + table->sh_offset);
    if (table->sh_link >= module->count || !lies_within(module, &module->sections[table->sh_link]))
        return 0;
    const Elf64_Shdr *strings = &module->sections[table->sh_link];
    for (size_t number = 1; number < table->sh_size / sizeof *symbols; number++)
        if (symbols[number].st_shndx == SHN_UNDEF &&
            !strcmp(text_at(module->data + strings->sh_offset, strings->sh_size, symbols[number].st_name), "__fentry__"))
            return number;
    return 0;
}

/* The calls that `relocations` have in `code` become what the kernel would make of them. */
static void quiet_calls(const struct module *module, const Elf64_Shdr *relocations, const Elf64_Shdr *code, size_t tracer) {
    static const uint8_t nop[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    Elf64_Rela *entries = (Elf64_Rela *)(module->data + relocations->sh_offset);
    uint8_t *bytes = (uint8_t *)module->data + code->sh_offset;
    for (size_t index = 0; index < relocations->sh_size / sizeof *entries; index++) {
        Elf64_Rela *entry = &entries[index];
        if (ELF64_R_SYM(entry->r_info) != tracer || entry->r_offset < 1 || entry->r_offset >= code->sh_size || code->sh_size - entry->r_offset < 4 ||
            bytes[entry->r_offset - 1] != CALL)
            continue;
        memcpy(bytes + entry->r_offset - 1, nop, sizeof nop);
        entry->r_info = R_X86_64_NONE;
    }
}

static void quiet_functions(const struct module *module) {
    const Elf64_Shdr *symbols = NULL;
    for (size_t index = 0; index < module->count && !symbols; index++)
        if (is_table(module, &module->sections[index], SHT_SYMTAB))
            symbols = &module->sections[index];
    size_t tracer = symbols ? find_tracer(module, symbols) : 0;
    for (size_t index = 0; tracer && index < module->count; index++) {
        const Elf64_Shdr *relocations = &module->sections[index];
        if (!is_table(module, relocations, SHT_RELA) || relocations->sh_info >= module->count)
            continue;
        const Elf64_Shdr *code = &module->sections[relocations->sh_info];
        if (code->sh_flags & SHF_EXECINSTR && lies_within(module, code))
            quiet_calls(module, relocations, code, tracer);
    }
}

void module_trim(char *data, size_t size) {
    struct module module;
    if (!open_module(&module, data, size))
        return;
    quiet_functions(&module);
    hide_sections(&module);
}

// SPDX-License-Identifier: GPL-3.0-or-later
/* Fields: `tag u16, length u32, value`, little-endian; what plans and control payloads are made of (docs/wire.md). */
#ifndef FIELDS_H
#define FIELDS_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELD_HEADER_SIZE 6

uint16_t get_u16(const uint8_t *at);
uint32_t get_u32(const uint8_t *at);
uint64_t get_u64(const uint8_t *at);
void put_u16(uint8_t *at, uint16_t value);
void put_u32(uint8_t *at, uint32_t value);
void put_u64(uint8_t *at, uint64_t value);

/* The zlib CRC-32 (IEEE); start with 0, go on with the last result. */
uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *data; /* NULL: absent */
    size_t size;
};

struct texts {
    char **items; /* ends with a NULL, as execve wants it */
    size_t count;
};

struct numbers {
    uint64_t *items;
    size_t count;
};

/* Memory that is given back all at once. */
struct arena {
    struct arena_block *head;
};
void *arena_take(struct arena *arena, size_t size);
void arena_free(struct arena *arena);

enum field_kind { FIELD_TEXT, FIELD_TEXTS, FIELD_BYTES, FIELD_NUMBER, FIELD_NUMBERS, FIELD_FLAG, FIELD_FORMS };

struct form;

/* Where the value of one tag goes: char *, struct texts, struct bytes, uint64_t, struct numbers, bool, or (forms) `struct { X *items; size_t count; }`. */
struct rule {
    uint16_t tag;
    enum field_kind kind;
    bool required;
    size_t offset;
    const char *name;
    const struct form *form;
};

#define RULE(tag, kind, required, type, member, form) {tag, kind, required, offsetof(struct type, member), #tag, form}
#define FORM(text, type, rules, defaults, check) {text, sizeof(struct type), rules, sizeof rules / sizeof *rules, false, defaults, check}

struct form {
    const char *name;
    size_t size; /* of the struct that is filled in; it comes zeroed */
    const struct rule *rules;
    size_t rule_count;
    bool tolerant; /* unknown tags are skipped */
    void (*defaults)(void *target);
    int (*check)(void *target, struct error *error); /* may be NULL */
};

/*
 * Fills in `target` from `data`, which it changes and keeps using: a text moves one byte down, over the end of its own header that has
 * been read by then, to make room for its terminator.
 */
int form_parse(const struct form *form, uint8_t *data, size_t size, void *target, struct arena *arena, struct error *error);

/* Writes fields; when `overflow` is set the space was too small. */
struct writer {
    uint8_t *data;
    size_t size, capacity;
    bool overflow;
};
void write_bytes(struct writer *writer, uint16_t tag, const void *data, size_t size);
void write_text(struct writer *writer, uint16_t tag, const char *text);
void write_number(struct writer *writer, uint16_t tag, uint64_t number);
size_t write_begin(struct writer *writer, uint16_t tag); /* nested fields: its result goes to write_end */
void write_end(struct writer *writer, size_t begin);

#endif

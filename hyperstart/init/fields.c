// SPDX-License-Identifier: GPL-3.0-or-later
#include "fields.h"

#include <stdlib.h>
#include <string.h>

uint16_t get_u16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
uint32_t get_u32(const uint8_t *at) { return get_u16(at) | (uint32_t)get_u16(at + 2) << 16; }
uint64_t get_u64(const uint8_t *at) { return get_u32(at) | (uint64_t)get_u32(at + 4) << 32; }

void put_u16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

void put_u32(uint8_t *at, uint32_t value) {
    put_u16(at, (uint16_t)value);
    put_u16(at + 2, (uint16_t)(value >> 16));
}

void put_u64(uint8_t *at, uint64_t value) {
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size) {
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t index = 0; index < 256; index++) {
            uint32_t value = index;
            for (int bit = 0; bit < 8; bit++)
                value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
            table[index] = value;
        }
    crc = ~crc;
    for (size_t index = 0; index < size; index++)
        crc = crc >> 8 ^ table[(crc ^ data[index]) & 0xFF];
    return ~crc;
}

struct arena_block {
    struct arena_block *next;
    max_align_t memory[];
};

void *arena_take(struct arena *arena, size_t size) {
    struct arena_block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->next = arena->head;
    arena->head = block;
    return block->memory;
}

void arena_free(struct arena *arena) {
    while (arena->head) {
        struct arena_block *block = arena->head;
        arena->head = block->next;
        free(block);
    }
}

struct field {
    uint16_t tag;
    uint32_t size;
    uint8_t *value;
};

/* 1: a field was read and *at moved behind it; 0: none is left; -1: it is malformed. */
static int next_field(uint8_t **at, const uint8_t *end, struct field *field) {
    size_t left = (size_t)(end - *at);
    if (left == 0)
        return 0;
    if (left < FIELD_HEADER_SIZE)
        return -1;
    field->tag = get_u16(*at);
    field->size = get_u32(*at + 2);
    if (field->size > left - FIELD_HEADER_SIZE)
        return -1;
    field->value = *at + FIELD_HEADER_SIZE;
    *at = field->value + field->size;
    return 1;
}

static char *as_text(struct field *field) {
    if (memchr(field->value, 0, field->size))
        return NULL;
    char *text = (char *)field->value - 1;
    memmove(text, field->value, field->size);
    text[field->size] = 0;
    return text;
}

/* The lists of all kinds begin alike: a pointer to the items, then their count. */
struct list {
    void *items;
    size_t count;
};

static size_t item_size(const struct rule *rule) {
    switch (rule->kind) {
    case FIELD_TEXTS:
        return sizeof(char *);
    case FIELD_NUMBERS:
        return sizeof(uint64_t);
    case FIELD_FORMS:
        return rule->form->size;
    default:
        return 0;
    }
}

static int store(const struct rule *rule, struct field *field, void *target, size_t *filled, struct arena *arena, struct error *error) {
    char *place = (char *)target + rule->offset;
    if (item_size(rule)) {
        struct list list;
        memcpy(&list, place, sizeof list);
        place = (char *)list.items + item_size(rule) * (*filled)++;
    }
    switch (rule->kind) {
    case FIELD_TEXT:
    case FIELD_TEXTS: {
        char *text = as_text(field);
        if (!text)
            return fail(error, "%s: holds a NUL", rule->name);
        memcpy(place, &text, sizeof text);
        return 0;
    }
    case FIELD_BYTES: {
        struct bytes bytes = {field->value, field->size};
        memcpy(place, &bytes, sizeof bytes);
        return 0;
    }
    case FIELD_NUMBER:
    case FIELD_NUMBERS:
    case FIELD_FLAG: {
        if (field->size != 8)
            return fail(error, "%s: %u bytes, a number has 8", rule->name, field->size);
        uint64_t number = get_u64(field->value);
        if (rule->kind != FIELD_FLAG) {
            memcpy(place, &number, sizeof number);
            return 0;
        }
        if (number > 1)
            return fail(error, "%s: a flag is 0 or 1", rule->name);
        bool flag = number;
        memcpy(place, &flag, sizeof flag);
        return 0;
    }
    case FIELD_FORMS:
        return form_parse(rule->form, field->value, field->size, place, arena, error);
    }
    return -1;
}

static const struct rule *find_rule(const struct form *form, uint16_t tag) {
    for (size_t index = 0; index < form->rule_count; index++)
        if (form->rules[index].tag == tag)
            return &form->rules[index];
    return NULL;
}

#define MAX_RULES 48

int form_parse(const struct form *form, uint8_t *data, size_t size, void *target, struct arena *arena, struct error *error) {
    size_t counts[MAX_RULES] = {0}, filled[MAX_RULES] = {0};
    struct field field;
    uint8_t *at = data;
    int more;

    /* First counting, since reading a text spoils its header. */
    while ((more = next_field(&at, data + size, &field)) > 0) {
        const struct rule *rule = find_rule(form, field.tag);
        if (rule)
            counts[rule - form->rules]++;
        else if (!form->tolerant)
            return fail(error, "%s: unknown field %u", form->name, field.tag);
    }
    if (more < 0)
        return fail(error, "%s: a field is longer than what holds it", form->name);

    if (form->defaults)
        form->defaults(target);
    for (size_t index = 0; index < form->rule_count; index++) {
        const struct rule *rule = &form->rules[index];
        if (rule->required && !counts[index])
            return fail(error, "%s: %s is missing", form->name, rule->name);
        if (!item_size(rule)) {
            if (counts[index] > 1)
                return fail(error, "%s: %s occurs twice", form->name, rule->name);
            continue;
        }
        struct list list = {arena_take(arena, item_size(rule) * (counts[index] + 1)), counts[index]};
        if (!list.items)
            return fail(error, "%s: out of memory", form->name);
        memcpy((char *)target + rule->offset, &list, sizeof list);
    }

    for (at = data; next_field(&at, data + size, &field) > 0;) {
        const struct rule *rule = find_rule(form, field.tag);
        if (rule && store(rule, &field, target, &filled[rule - form->rules], arena, error) < 0)
            return -1;
    }
    return form->check ? form->check(target, error) : 0;
}

static uint8_t *reserve(struct writer *writer, size_t size) {
    if (writer->overflow || size > writer->capacity - writer->size) {
        writer->overflow = true;
        return NULL;
    }
    uint8_t *place = writer->data + writer->size;
    writer->size += size;
    return place;
}

void write_bytes(struct writer *writer, uint16_t tag, const void *data, size_t size) {
    uint8_t *place = reserve(writer, FIELD_HEADER_SIZE + size);
    if (!place)
        return;
    put_u16(place, tag);
    put_u32(place + 2, (uint32_t)size);
    if (size)
        memcpy(place + FIELD_HEADER_SIZE, data, size);
}

void write_text(struct writer *writer, uint16_t tag, const char *text) { write_bytes(writer, tag, text, strlen(text)); }

void write_number(struct writer *writer, uint16_t tag, uint64_t number) {
    uint8_t value[8];
    put_u64(value, number);
    write_bytes(writer, tag, value, sizeof value);
}

size_t write_begin(struct writer *writer, uint16_t tag) {
    size_t begin = writer->size;
    write_bytes(writer, tag, NULL, 0);
    return begin;
}

void write_end(struct writer *writer, size_t begin) {
    if (!writer->overflow)
        put_u32(writer->data + begin + 2, (uint32_t)(writer->size - begin - FIELD_HEADER_SIZE));
}

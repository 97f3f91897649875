// SPDX-License-Identifier: GPL-3.0-or-later
/* Any bytes as the body of secrets, for any plan: `size u16` of the plan's body, which comes first. */
#include "plan.h"
#include "secrets.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own, so that a step beyond it is seen, with a right header. */
static uint8_t *sealed(const char *magic, const uint8_t *body, size_t size) {
    uint8_t *made = malloc(PLAN_HEADER_SIZE + size);
    memset(made, 0, PLAN_HEADER_SIZE);
    memcpy(made, magic, 8);
    put_u32(made + 8, PLAN_VERSION);
    put_u32(made + 12, (uint32_t)size);
    put_u32(made + 16, crc32(0, body, size));
    if (size)
        memcpy(made + PLAN_HEADER_SIZE, body, size);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct launch_plan plan;
    struct arena arena = {NULL};
    struct error error;
    if (size < 2 || get_u16(data) > size - 2)
        return 0;
    size_t plan_size = get_u16(data), rest = size - 2 - plan_size;
    uint8_t *first = sealed(PLAN_MAGIC, data + 2, plan_size), *second = sealed(SECRETS_MAGIC, data + 2 + plan_size, rest);
    if (plan_parse(first, first + PLAN_HEADER_SIZE, &plan, &arena, &error) == 0)
        secrets_join(second, PLAN_HEADER_SIZE + rest, &plan, &arena, &error);
    arena_free(&arena);
    free(first);
    free(second);
    return 0;
}

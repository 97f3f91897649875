// SPDX-License-Identifier: GPL-3.0-or-later
/* Any bytes as a launch plan; and, sealed with a right header, as the body of one. */
#include "launch_plan.h"
#include "own_address.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const uint8_t *header, const uint8_t *body, size_t size) {
    struct launch_plan plan;
    struct arena arena = {NULL};
    struct error error;
    size_t announced;
    /* A copy of its own, so that a step beyond it is seen. */
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, body, size);
    if (plan_body_size(header, &announced, &error) == 0 && announced == size && plan_parse(header, copy, &plan, &arena, &error) == 0)
        own_address_fill(&plan, "192.0.2.5");
    arena_free(&arena);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t header[PLAN_HEADER_SIZE] = PLAN_MAGIC;
    put_u32(header + 8, PLAN_VERSION);
    put_u32(header + 12, (uint32_t)size);
    put_u32(header + 16, crc32(0, data, size));
    parse(header, data, size);
    if (size >= PLAN_HEADER_SIZE)
        parse(data, data + PLAN_HEADER_SIZE, size - PLAN_HEADER_SIZE);
    return 0;
}

// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The init's parsers, fed many inputs in one process: `parse plan` or `parse frames`, inputs on stdin as `length u32, bytes`, one line of answer each.
 * A plan's line is "ok" or what is wrong with it; the line of a stream of frames has "type:id:size:crc32" for each frame that was found.
 */
#include "control.h"
#include "frame.h"
#include "launch_plan.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void parse_plan(const uint8_t *data, size_t size) {
    struct error error = {""};
    struct arena arena = {NULL};
    struct launch_plan plan;
    size_t body_size = 0;
    int result = -1;
    if (size < PLAN_HEADER_SIZE)
        fail(&error, "shorter than a header");
    else
        result = plan_body_size(data, &body_size, &error);
    if (result == 0 && size - PLAN_HEADER_SIZE < body_size)
        result = fail(&error, "shorter than it says");
    if (result == 0) {
        /* Of just its size, so that the sanitizer sees every byte that is read beyond. */
        uint8_t *body = malloc(body_size ? body_size : 1);
        memcpy(body, data + PLAN_HEADER_SIZE, body_size);
        result = plan_parse(data, body, &plan, &arena, &error);
        arena_free(&arena);
        free(body);
    }
    for (char *letter = error.text; *letter; letter++)
        if (*letter == '\n')
            *letter = '?';
    puts(result == 0 ? "ok" : error.text);
}

static void parse_frames(const uint8_t *data, size_t size) {
    uint8_t *left = malloc(size ? size : 1);
    struct frame frame;
    bool found = true;
    size_t begin = 0;
    memcpy(left, data, size);
    while (found) {
        begin += frame_next(left + begin, size - begin, &frame, &found);
        if (found)
            printf("%u:%u:%zu:%08x ", frame.type, frame.id, frame.size, crc32(0, frame.payload, frame.size));
    }
    puts("");
    free(left);
}

int main(int argc, char **argv) {
    uint32_t size;
    while (argc == 2 && fread(&size, sizeof size, 1, stdin) == 1) {
        uint8_t *data = malloc(size ? size : 1);
        if (fread(data, 1, size, stdin) != size)
            return 1;
        (strcmp(argv[1], "plan") ? parse_frames : parse_plan)(data, size);
        free(data);
    }
    return argc != 2;
}

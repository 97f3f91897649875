// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The init's parsers, fed many inputs in one process: `parse plan`, `parse secrets`, `parse frames`, inputs on stdin as `length u32, bytes`, one line of
 * answer each. A plan's line is "ok" or what is wrong with it; likewise of secrets, which are joined with the first input, a plan; the line of a stream of
 * frames has "type:id:size:crc32" for each frame that was found;
 * `parse dhcp`: what an answer to the transaction 0x12345678 of 52:54:00:00:00:01 means, field after field, or "0".
 */
#include "control.h"
#include "dhcp_message.h"
#include "frame.h"
#include "launch_plan.h"
#include "plan.h"
#include "secrets.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(int result, struct error *error) {
    for (char *letter = error->text; *letter; letter++)
        if (*letter == '\n')
            *letter = '?';
    puts(result == 0 ? "ok" : error->text);
}

static void parse_secrets(const uint8_t *data, size_t size) {
    static uint8_t *plan_data;
    static size_t plan_size;
    struct error error = {""};
    struct arena arena = {NULL};
    struct launch_plan plan;
    int result = 0;
    if (!plan_data) {
        plan_data = malloc(size);
        memcpy(plan_data, data, plan_size = size);
        puts("plan");
        return;
    }
    uint8_t *body = malloc(plan_size), *copy = malloc(size ? size : 1);
    memcpy(body, plan_data, plan_size);
    memcpy(copy, data, size);
    result = plan_parse(body, body + PLAN_HEADER_SIZE, &plan, &arena, &error);
    if (result == 0)
        result = secrets_join(copy, size, &plan, &arena, &error);
    arena_free(&arena);
    free(body);
    free(copy);
    answer(result, &error);
}

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
    answer(result, &error);
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

static void parse_dhcp(const uint8_t *data, size_t size) {
    const struct dhcp_request request = {.xid = 0x12345678, .mac = {0x52, 0x54, 0, 0, 0, 1}, .hostname = ""};
    struct lease lease;
    int type = dhcp_read(data, size, &request, &lease);
    printf("%d", type);
    if (type && type != DHCP_NAK) {
        printf(" %s/%u", inet_ntoa((struct in_addr){lease.address}), lease.prefix);
        printf(" by %s", inet_ntoa((struct in_addr){lease.server}));
        printf(" via %s", inet_ntoa((struct in_addr){lease.router}));
        for (size_t index = 0; index < lease.name_server_count; index++)
            printf(" dns %s", inet_ntoa((struct in_addr){lease.name_servers[index]}));
        printf(" in %s mtu %u for %u %u %u", lease.domain[0] ? lease.domain : "-", lease.mtu, lease.renew, lease.rebind, lease.seconds);
    }
    puts("");
}

int main(int argc, char **argv) {
    uint32_t size;
    while (argc == 2 && fread(&size, sizeof size, 1, stdin) == 1) {
        uint8_t *data = malloc(size ? size : 1);
        if (fread(data, 1, size, stdin) != size)
            return 1;
        (!strcmp(argv[1], "plan")      ? parse_plan
         : !strcmp(argv[1], "secrets") ? parse_secrets
         : !strcmp(argv[1], "dhcp")    ? parse_dhcp
                                       : parse_frames)(data, size);
        free(data);
    }
    return argc != 2;
}

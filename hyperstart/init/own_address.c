// SPDX-License-Identifier: GPL-3.0-or-later
#include "own_address.h"

#include "plan.h"

#include <string.h>

/* In the plan's own memory, in which there is room: an address is not longer than what stands for it. The new size. */
static size_t fill(char *data, size_t size, const char *address) {
    const size_t mark = sizeof PLAN_OWN_ADDRESS - 1, length = strlen(address);
    for (char *found; length <= mark && (found = memmem(data, size, PLAN_OWN_ADDRESS, mark));) {
        char *end = data + size;
        memcpy(found, address, length);
        memmove(found + length, found + mark, (size_t)(end - found) - mark);
        size -= mark - length;
    }
    return size;
}

static void fill_text(char *text, const char *address) {
    if (text)
        text[fill(text, strlen(text), address)] = 0;
}

static void fill_texts(const struct texts *texts, const char *address) {
    for (size_t index = 0; index < texts->count; index++)
        fill_text(texts->items[index], address);
}

static void fill_bytes(struct bytes *bytes, const char *address) {
    if (bytes->data)
        bytes->size = fill((char *)bytes->data, bytes->size, address);
}

static void fill_actions(const struct action_plans *actions, const char *address) {
    for (size_t index = 0; index < actions->count; index++) {
        fill_texts(&actions->items[index].argv, address);
        fill_text(actions->items[index].address, address);
        fill_bytes(&actions->items[index].request, address);
    }
}

static void fill_probes(const struct probe_plans *probes, const char *address) {
    for (size_t index = 0; index < probes->count; index++)
        fill_actions(&probes->items[index].action, address);
}

void own_address_fill(struct launch_plan *plan, const char *address) {
    for (size_t index = 0; index < plan->containers.count; index++) {
        const struct container_plan *container = &plan->containers.items[index];
        fill_texts(&container->argv, address);
        fill_texts(&container->env, address);
        fill_probes(&container->startup_probe, address);
        fill_probes(&container->liveness_probe, address);
        fill_probes(&container->readiness_probe, address);
        fill_actions(&container->post_start, address);
        fill_actions(&container->pre_stop, address);
    }
    for (size_t index = 0; index < plan->volumes.count; index++)
        for (size_t file = 0; file < plan->volumes.items[index].files.count; file++)
            fill_bytes(&plan->volumes.items[index].files.items[file].data, address);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "generation.h"

#include "files.h"
#include "plan.h"
#include "secrets.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLACES 2

static struct generation *generations;

static int read_exactly(int fd, uint8_t *data, size_t size, off_t offset) {
    for (size_t held = 0; held < size;) {
        ssize_t got = pread(fd, data + held, size - held, offset + (off_t)held);
        if (got <= 0)
            return -1;
        held += (size_t)got;
    }
    return 0;
}

struct place {
    uint8_t header[PLAN_HEADER_SIZE];
    uint8_t *body; /* NULL: there is no whole plan */
};

static int read_place(int fd, off_t offset, struct place *place, struct arena *memory, struct error *error) {
    size_t size;
    if (read_exactly(fd, place->header, sizeof place->header, offset) < 0)
        return fail_errno(error, "plan: reading its header");
    if (plan_body_size(place->header, &size, error) < 0)
        return -1;
    uint8_t *body = arena_take(memory, size);
    if (!body || read_exactly(fd, body, size, offset + PLAN_HEADER_SIZE) < 0)
        return fail(error, "plan: the disk is shorter than it says");
    if (plan_check(place->header, body, error) < 0)
        return -1;
    place->body = body;
    return 0;
}

static int parse(int fd, struct generation *generation, struct error *error) {
    struct place places[PLACES] = {{.body = NULL}};
    struct error second;
    read_place(fd, 0, &places[0], &generation->memory, error);
    read_place(fd, PLAN_PLACE_SIZE, &places[1], &generation->memory, &second);
    struct place *newest = &places[0];
    if (places[1].body && (!places[0].body || plan_revision(places[1].header) > plan_revision(places[0].header)))
        newest = &places[1];
    if (!newest->body)
        return -1; /* what is wrong with the first place counts */
    generation->revision = plan_revision(newest->header);
    return plan_parse(newest->header, newest->body, &generation->plan, &generation->memory, error);
}

int generation_read_secrets(const char *path, struct bytes *secrets, struct error *error) {
    uint8_t header[PLAN_HEADER_SIZE];
    size_t size;
    CLOSING fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_exactly(fd, header, sizeof header, 0) < 0)
        return fail_errno(error, "secrets: reading %s", path);
    if (header_body_size(header, SECRETS_MAGIC, SECRETS_MAX_SIZE, &size, error) < 0)
        return -1;
    uint8_t *data = malloc(sizeof header + size);
    if (!data || read_exactly(fd, data, sizeof header + size, 0) < 0) {
        free(data);
        return fail(error, "secrets: the disk is shorter than it says");
    }
    *secrets = (struct bytes){data, sizeof header + size};
    return 0;
}

static int join(const struct bytes *secrets, struct generation *generation, struct error *error) {
    if (!generation->plan.secrets || !secrets->size)
        return 0;
    uint8_t *copy = arena_take(&generation->memory, secrets->size);
    if (!copy)
        return fail(error, "secrets: out of memory");
    memcpy(copy, secrets->data, secrets->size);
    return secrets_join(copy, secrets->size, &generation->plan, &generation->memory, error);
}

struct generation *generation_read(const char *path, const struct bytes *secrets, struct error *error) {
    CLOSING fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail_errno(error, "plan: reading %s", path);
        return NULL;
    }
    /* The host may have written since the disk was last read. A test's file has no such buffers. */
    ioctl(fd, BLKFLSBUF, 0);
    struct generation *generation = calloc(1, sizeof *generation);
    if (!generation) {
        fail(error, "plan: out of memory");
        return NULL;
    }
    if (parse(fd, generation, error) < 0 || join(secrets, generation, error) < 0) {
        arena_free(&generation->memory);
        free(generation);
        return NULL;
    }
    generation->next = generations;
    generations = generation;
    return generation;
}

void generations_tidy(bool (*in_use)(const struct generation *generation)) {
    for (struct generation **link = &generations, *generation; (generation = *link);) {
        if (in_use(generation)) {
            link = &generation->next;
            continue;
        }
        *link = generation->next;
        arena_free(&generation->memory);
        free(generation);
    }
}

struct container_plan *plan_container(const struct launch_plan *plan, const char *name) {
    for (size_t index = 0; index < plan->containers.count; index++)
        if (!strcmp(plan->containers.items[index].name, name))
            return &plan->containers.items[index];
    return NULL;
}

struct volume_plan *plan_volume(const struct launch_plan *plan, const char *name) {
    for (size_t index = 0; index < plan->volumes.count; index++)
        if (!strcmp(plan->volumes.items[index].name, name))
            return &plan->volumes.items[index];
    return NULL;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "secrets.h"

#include "plan.h"

#include <inttypes.h>
#include <string.h>

struct secret {
    char *name;
    struct bytes value;
};

struct secrets {
    struct {
        struct secret *items;
        size_t count;
    } all;
};

static const struct rule secret_rules[] = {
    RULE(SECRET_NAME, FIELD_TEXT, true, secret, name, NULL),
    RULE(SECRET_VALUE, FIELD_BYTES, false, secret, value, NULL),
};
static const struct form secret_form = FORM("secret", secret, secret_rules, NULL, NULL);

static const struct rule secrets_rules[] = {RULE(SECRETS_SECRET, FIELD_FORMS, false, secrets, all, &secret_form)};
static const struct form secrets_form = FORM("secrets", secrets, secrets_rules, NULL, NULL);

static const struct bytes *find(const struct secrets *secrets, const char *name, struct error *error) {
    for (size_t index = 0; index < secrets->all.count; index++)
        if (!strcmp(secrets->all.items[index].name, name))
            return &secrets->all.items[index].value;
    fail(error, "secrets: there is none called \"%.80s\"", name);
    return NULL;
}

static int value_of(const struct secrets *secrets, const struct part_plan *part, struct bytes *value, struct error *error) {
    *value = (struct bytes){NULL, 0};
    if (!part->secret)
        return 0;
    const struct bytes *found = find(secrets, part->secret, error);
    if (!found)
        return -1;
    if (found->size && memchr(found->data, 0, found->size))
        return fail(error, "secrets: \"%.80s\" holds a NUL", part->secret);
    *value = *found;
    return 0;
}

static char *join(const struct joined_plan *joined, const struct secrets *secrets, struct arena *arena, struct error *error) {
    struct bytes value;
    size_t size = 1;
    for (size_t index = 0; index < joined->parts.count; index++) {
        const struct part_plan *part = &joined->parts.items[index];
        if (value_of(secrets, part, &value, error) < 0)
            return NULL;
        size += (part->text ? strlen(part->text) : 0) + value.size;
        /* One value may be named any number of times. */
        if (size > PLAN_MAX_SIZE) {
            fail(error, "secrets: what is made of them is too long");
            return NULL;
        }
    }
    char *text = arena_take(arena, size), *at = text;
    if (!text)
        fail(error, "secrets: out of memory");
    for (size_t index = 0; text && index < joined->parts.count; index++) {
        const struct part_plan *part = &joined->parts.items[index];
        value_of(secrets, part, &value, error);
        if (part->text)
            at = stpcpy(at, part->text);
        if (value.size)
            at = mempcpy(at, value.data, value.size);
    }
    return text;
}

static int join_all(const struct joined_plans *all, struct texts *texts, const struct secrets *secrets, struct arena *arena, struct error *error) {
    for (size_t index = 0; index < all->count; index++) {
        const struct joined_plan *joined = &all->items[index];
        if (joined->index >= texts->count)
            return fail(error, "secrets: there is no text %" PRIu64 " to take the place of", joined->index);
        char *text = join(joined, secrets, arena, error);
        if (!text)
            return -1;
        texts->items[joined->index] = text;
    }
    return 0;
}

static int join_files(struct volume_plan *volume, const struct secrets *secrets, struct error *error) {
    for (size_t index = 0; index < volume->files.count; index++) {
        struct file_plan *file = &volume->files.items[index];
        const struct bytes *value = file->secret ? find(secrets, file->secret, error) : &file->data;
        if (!value)
            return -1;
        file->data = *value;
    }
    return 0;
}

int secrets_join(uint8_t *data, size_t size, struct launch_plan *plan, struct arena *arena, struct error *error) {
    struct secrets secrets = {.all = {NULL, 0}};
    size_t body;
    if (size < PLAN_HEADER_SIZE)
        return fail(error, "secrets: shorter than a header");
    if (header_body_size(data, SECRETS_MAGIC, SECRETS_MAX_SIZE, &body, error) < 0)
        return -1;
    if (body > size - PLAN_HEADER_SIZE)
        return fail(error, "secrets: shorter than they say");
    if (header_check(data, data + PLAN_HEADER_SIZE, body, error) < 0 || form_parse(&secrets_form, data + PLAN_HEADER_SIZE, body, &secrets, arena, error) < 0)
        return -1;
    for (size_t index = 0; index < plan->volumes.count; index++)
        if (join_files(&plan->volumes.items[index], &secrets, error) < 0)
            return -1;
    for (size_t index = 0; index < plan->containers.count; index++) {
        struct container_plan *container = &plan->containers.items[index];
        if (join_all(&container->secret_argv, &container->argv, &secrets, arena, error) < 0 ||
            join_all(&container->secret_env, &container->env, &secrets, arena, error) < 0)
            return -1;
        if (!container->argv.items[0][0])
            return fail(error, "container %s: the command is empty", container->name);
        for (size_t number = 0; number < container->env.count; number++)
            if (!strchr(container->env.items[number], '=') || container->env.items[number][0] == '=')
                return fail(error, "container %s: a variable with secrets is not NAME=value", container->name);
    }
    return 0;
}

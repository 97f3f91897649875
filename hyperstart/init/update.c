// SPDX-License-Identifier: GPL-3.0-or-later
#include "update.h"

#include "control.h"
#include "generation.h"
#include "images.h"
#include "leases.h"
#include "limits.h"
#include "log.h"
#include "pod.h"
#include "scratch.h"
#include "volume_disks.h"
#include "volumes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rule update_rules[] = {
    RULE(UPDATE_REPLACE, FIELD_TEXTS, false, update, replaced, NULL),
    RULE(UPDATE_RETUNE, FIELD_TEXTS, false, update, retuned, NULL),
    RULE(UPDATE_ROLLBACK, FIELD_FLAG, false, update, rollback, NULL),
};
/* Not tolerant: what is not understood would not be done. */
const struct form update_form = FORM("UPDATE", update, update_rules, NULL, NULL);

static bool holds(const struct texts *names, const char *name) {
    for (size_t index = 0; index < names->count; index++)
        if (!strcmp(names->items[index], name))
            return true;
    return false;
}

static bool generation_in_use(const struct generation *generation) {
    if (generation == pod.generation)
        return true;
    for (size_t index = 0; index < pod.count; index++)
        if (pod.containers[index]->generation == generation || pod.containers[index]->probing == generation ||
            pod.containers[index]->next_generation == generation)
            return true;
    return false;
}

static bool image_in_use(const char *serial) {
    for (size_t index = 0; index < pod.count; index++)
        if (!strcmp(pod.containers[index]->plan->rootfs, serial))
            return true;
    for (size_t index = 0; index < pod.plan.volumes.count; index++)
        if (pod.plan.volumes.items[index].kind == VOLUME_IMAGE && !strcmp(pod.plan.volumes.items[index].serial, serial))
            return true;
    return false;
}

static int check_names(const struct texts *names, const struct launch_plan *plan, struct error *error) {
    for (size_t index = 0; index < names->count; index++)
        if (!pod_container(names->items[index]) || !plan_container(plan, names->items[index]))
            return fail(error, "UPDATE: container \"%.80s\" is not in both plans", names->items[index]);
    return 0;
}

static bool same_disk(const struct volume_plan *former, const struct volume_plan *volume) {
    return former->serial && volume->serial ? !strcmp(former->serial, volume->serial) : former->serial == volume->serial;
}

/* What only a new guest can be given. */
static int check(const struct update *update, const struct generation *wanted, struct error *error) {
    const struct launch_plan *plan = &wanted->plan;
    const char *missing = volume_disk_missing(plan);
    size_t kept = 0, init = 0;
    if (missing)
        return fail(error, "UPDATE: waiting for the disk %s", missing);
    for (size_t index = 0; index < pod.count; index++)
        if (pod.containers[index]->removed && plan_container(plan, pod.containers[index]->plan->name))
            return fail(error, "UPDATE: container %s is still ending because of a former update", pod.containers[index]->plan->name);
    if (plan->secrets && !update->secrets.size)
        return fail(error, "UPDATE: the values of its secrets did not come");
    if (wanted->revision <= pod.generation->revision)
        return fail(error, "UPDATE: the plan's disk holds no newer plan");
    for (size_t index = 0; index < pod.count; index++)
        init += pod.containers[index]->plan->init;
    for (size_t index = 0; index < plan->containers.count; index++) {
        const struct container *former = pod_container(plan->containers.items[index].name);
        kept += former && former->plan->init && plan->containers.items[index].init;
        if (plan->containers.items[index].init && (!former || !former->plan->init || holds(&update->replaced, former->plan->name)))
            return fail(error, "UPDATE: init container %s would be another", plan->containers.items[index].name);
    }
    if (plan->interfaces.count != pod.plan.interfaces.count)
        return fail(error, "UPDATE: there would be other interfaces");
    if (kept != init)
        return fail(error, "UPDATE: an init container is missing");
    for (size_t index = 0; index < plan->volumes.count; index++) {
        const struct volume_plan *volume = &plan->volumes.items[index], *former = plan_volume(&pod.plan, volume->name);
        if (former && (former->kind != volume->kind || former->size != volume->size || former->group != volume->group || !same_disk(former, volume)))
            return fail(error, "UPDATE: volume %s would be another", volume->name);
    }
    return check_names(&update->replaced, plan, error) < 0 ? -1 : check_names(&update->retuned, plan, error);
}

/* Everything that can fail, as far as that can be known, before anything ends. */
static int prepare(const struct update *update, const struct launch_plan *plan, struct error *error) {
    for (size_t index = 0; index < plan->containers.count; index++) {
        const struct container_plan *container = &plan->containers.items[index];
        if ((!pod_container(container->name) || holds(&update->replaced, container->name)) && image_prepare(container->rootfs, plan, error))
            return -1;
    }
    for (size_t index = 0; index < plan->volumes.count; index++) {
        const struct volume_plan *volume = &plan->volumes.items[index], *former = plan_volume(&pod.plan, volume->name);
        if ((former ? volume_prepare_change(former, volume, error) : volume_prepare(volume, plan, error)) < 0)
            return -1;
    }
    return 0;
}

static void tell_changes(const struct launch_plan *plan, struct error *error) {
    for (size_t index = 0; index < plan->volumes.count; index++) {
        const struct volume_plan *former = plan_volume(&pod.plan, plan->volumes.items[index].name);
        if (former && volume_change(&pod.plan, former, &plan->volumes.items[index], error) < 0)
            fprintf(stderr, "hyperstart: %s\n", error->text);
    }
    for (size_t index = 0; index < pod.plan.volumes.count; index++)
        if (!plan_volume(plan, pod.plan.volumes.items[index].name))
            volume_forget(&pod.plan.volumes.items[index]);
}

/* Numbers, in which nothing belongs to the newer plan's memory, and the probes. */
static void retune(struct container *container, const struct container_plan *wanted, struct generation *generation) {
    struct container_plan *plan = plan_container(&container->generation->plan, container->plan->name);
    struct error error;
    plan->grace_period = wanted->grace_period;
    plan->restart_policy = wanted->restart_policy;
    plan->cpu_quota = wanted->cpu_quota;
    plan->cpu_weight = wanted->cpu_weight;
    plan->memory_limit = wanted->memory_limit;
    plan->storage_limit = wanted->storage_limit;
    if (limits_change(plan, &error) < 0)
        fprintf(stderr, "hyperstart: %s\n", error.text);
    probes_change(container, wanted, generation);
}

/* The containers in the newer plan's order, behind them those that go. */
static struct container **arrange(struct generation *wanted, size_t *count, struct error *error) {
    const struct launch_plan *plan = &wanted->plan;
    struct container **all = calloc(plan->containers.count + pod.count, sizeof *all);
    for (*count = 0; all && *count < plan->containers.count; ++*count) {
        struct container_plan *container = &plan->containers.items[*count];
        struct container *former = pod_container(container->name);
        if (!former && (former = calloc(1, sizeof *former)))
            container_init(former, container, wanted);
        all[*count] = former;
        if (!former)
            break;
    }
    if (!all || *count < plan->containers.count) {
        for (size_t index = 0; all && index < *count; index++)
            if (all[index]->generation == wanted)
                free(all[index]);
        free(all);
        fail(error, "UPDATE: out of memory");
        return NULL;
    }
    for (size_t index = 0; index < pod.count; index++)
        if (!plan_container(plan, pod.containers[index]->plan->name))
            all[(*count)++] = pod.containers[index];
    return all;
}

static void carry_out(const struct update *update, const struct launch_plan *plan, struct generation *wanted) {
    for (size_t index = 0; index < pod.count; index++) {
        struct container *container = pod.containers[index];
        const char *name = container->plan->name;
        struct container_plan *next = plan_container(plan, name);
        if (container->removed) {
            continue;
        } else if (!next) {
            container->removed = true;
            container_stop(container, -1);
        } else if (holds(&update->replaced, name)) {
            container_exchange(container, next, wanted);
        } else if (holds(&update->retuned, name)) {
            retune(container, next, wanted);
        }
    }
}

int pod_update(const struct update *update, struct error *error) {
    struct generation *wanted;
    struct container **all;
    char revision[16];
    size_t count;
    if (!pod.planned || pod_is_stopping())
        return fail(error, "UPDATE: the pod is ending, or has not begun");
    for (size_t index = 0; index < pod.count; index++)
        if (pod.containers[index]->next)
            return fail(error, "UPDATE: container %s is still ending because of a former update", pod.containers[index]->plan->name);
    if (!(wanted = generation_read(pod.plan_path, &update->secrets, error)))
        return -1;
    leases_fill(&wanted->plan);
    if (check(update, wanted, error) < 0) {
        generations_tidy(generation_in_use);
        return -1;
    }
    images_tidy(image_in_use);
    if (!update->rollback)
        scratch_tidy(&pod.plan);
    if (prepare(update, &wanted->plan, error) < 0 || !(all = arrange(wanted, &count, error))) {
        generations_tidy(generation_in_use);
        return -1;
    }
    tell_changes(&wanted->plan, error);
    free(pod.containers);
    pod.containers = all;
    pod.count = count;
    pod.plan = wanted->plan;
    pod.generation = wanted;
    snprintf(revision, sizeof revision, "%u", wanted->revision);
    log_event("-", "update", "revision", revision, NULL);
    carry_out(update, &pod.plan, wanted);
    generations_tidy(generation_in_use);
    pod_container_changed();
    return 0;
}

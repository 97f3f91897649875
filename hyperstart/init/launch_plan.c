// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch_plan.h"

#include "address.h"
#include "plan.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#define MAX_CAPABILITY 63
#define MAX_SIGNAL 64
#define MAX_GRACE_PERIOD (365 * 24 * 3600)
#define MAX_NAME 63
#define MAX_VOLUME_NAME 128 /* the host makes some of a container's name and a digest */
#define MAX_SERIAL 20

/* Safe as one component of a path and as a word of a log line. */
static bool is_name(const char *text, size_t limit) {
    size_t length = strlen(text);
    return length && length <= limit && text[0] != '.' && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

static int one_of(const char *text, const char *const *words, const char *what, struct error *error) {
    for (int index = 0; words[index]; index++)
        if (!strcmp(text, words[index]))
            return index;
    return fail(error, "%s: unknown value \"%.40s\"", what, text);
}

static int check_interface(void *target, struct error *error) {
    struct interface_plan *interface = target;
    struct address address;
    uint8_t mac[6];
    if (mac_parse(interface->mac, mac) < 0)
        return fail(error, "interface: \"%.40s\" is not a MAC address", interface->mac);
    for (size_t index = 0; index < interface->addresses.count; index++)
        if (address_parse(interface->addresses.items[index], true, &address) < 0)
            return fail(error, "interface %s: \"%.60s\" is not an address with a prefix length", interface->mac, interface->addresses.items[index]);
    for (size_t index = 0; index < interface->gateways.count; index++)
        if (address_parse(interface->gateways.items[index], false, &address) < 0)
            return fail(error, "interface %s: \"%.60s\" is not an address", interface->mac, interface->gateways.items[index]);
    if (interface->mtu > 65535)
        return fail(error, "interface %s: the MTU is out of range", interface->mac);
    for (size_t index = 0; index < interface->routed.count; index++)
        if (interface->routed.items[index] != 4 && interface->routed.items[index] != 6)
            return fail(error, "interface %s: there is no family %" PRIu64, interface->mac, interface->routed.items[index]);
    if (interface->names && strpbrk(interface->names, "\r\n"))
        return fail(error, "interface %s: its names are more than a line", interface->mac);
    return 0;
}

/* Paths are resolved within their root anyway; a plan that tries to leave it is a mistake worth a word. */
static bool has_dot_dot(const char *path) {
    for (size_t length; *path; path += length + (path[length] == '/')) {
        length = strcspn(path, "/");
        if (length == 2 && !strncmp(path, "..", 2))
            return true;
    }
    return false;
}

static int check_file(void *target, struct error *error) {
    struct file_plan *file = target;
    if (!file->path[0] || file->path[0] == '/' || !strncmp(file->path, "..", 2) || has_dot_dot(file->path))
        return fail(error, "file: \"%.80s\" is not a relative path", file->path);
    if (file->secret && file->data.size)
        return fail(error, "file %.80s: has both data and a secret", file->path);
    return file->mode > 0777 ? fail(error, "file %.80s: the mode is out of range", file->path) : 0;
}

static int check_volume(void *target, struct error *error) {
    static const char *const kinds[] = {[VOLUME_SCRATCH] = "scratch", [VOLUME_TMPFS] = "tmpfs", [VOLUME_DISK] = "disk", [VOLUME_BLOCK] = "block",
                                        [VOLUME_IMAGE] = "image",     [VOLUME_HOST] = "host",   [VOLUME_NFS] = "nfs",   NULL};
    struct volume_plan *volume = target;
    if (!is_name(volume->name, MAX_VOLUME_NAME))
        return fail(error, "volume: \"%.80s\" is not a name", volume->name);
    int kind = one_of(volume->kind_text, kinds, "volume kind", error);
    if (kind < 0)
        return -1;
    volume->kind = (enum volume_kind)kind;
    if (volume->group >= UINT32_MAX)
        return fail(error, "volume %s: the group is out of range", volume->name);
    if (volume->files.count && volume->kind != VOLUME_TMPFS)
        return fail(error, "volume %s: only a tmpfs holds files from the start", volume->name);
    bool has_disk = volume->kind != VOLUME_SCRATCH && volume->kind != VOLUME_TMPFS && volume->kind != VOLUME_HOST && volume->kind != VOLUME_NFS;
    if (has_disk ? !volume->serial || !is_name(volume->serial, MAX_SERIAL) : volume->serial != NULL)
        return fail(error, "volume %s: a disk has a serial, and nothing else has", volume->name);
    struct address address;
    bool remote = volume->kind == VOLUME_NFS;
    if (!!volume->server != remote || !!volume->path != remote)
        return fail(error, "volume %s: nfs has a server and a path, and nothing else has", volume->name);
    if (remote && (address_parse(volume->server, false, &address) < 0 || volume->path[0] != '/'))
        return fail(error, "volume %s: the server is no address, or the path not absolute", volume->name);
    return 0;
}

static void default_mount(void *target) {
    struct mount_plan *mount = target;
    mount->subpath = "";
    mount->propagation_text = "None";
}

static int check_mount(void *target, struct error *error) {
    static const char *const propagations[] = {[PROPAGATION_NONE] = "None", [PROPAGATION_IN] = "HostToContainer", [PROPAGATION_BOTH] = "Bidirectional", NULL};
    struct mount_plan *mount = target;
    if (mount->target[0] != '/' || !mount->target[strspn(mount->target, "/")] || has_dot_dot(mount->target))
        return fail(error, "mount: the target \"%.80s\" is not an absolute path below /", mount->target);
    if (mount->subpath[0] == '/' || has_dot_dot(mount->subpath))
        return fail(error, "mount %.80s: the subpath \"%.80s\" leaves the volume", mount->target, mount->subpath);
    if (mount->copy_up && mount->subpath[0])
        return fail(error, "mount %.80s: only a whole volume can be filled from the image", mount->target);
    int propagation = one_of(mount->propagation_text, propagations, "mount propagation", error);
    if (propagation < 0)
        return -1;
    mount->propagation = (enum propagation)propagation;
    if (mount->copy_up && mount->propagation != PROPAGATION_NONE)
        return fail(error, "mount %.80s: what is filled from the image has no mounts", mount->target);
    return 0;
}

static int check_device(void *target, struct error *error) {
    struct device_plan *device = target;
    if (device->path[0] != '/' || !device->path[strspn(device->path, "/")] || has_dot_dot(device->path))
        return fail(error, "device: \"%.80s\" is not an absolute path below /", device->path);
    return 0;
}

static int check_ulimit(void *target, struct error *error) {
    struct ulimit_plan *ulimit = target;
    if (ulimit->resource >= RLIMIT_NLIMITS)
        return fail(error, "ulimit: there is no resource %" PRIu64, ulimit->resource);
    return ulimit->soft > ulimit->hard ? fail(error, "ulimit %" PRIu64 ": the soft limit is above the hard one", ulimit->resource) : 0;
}

static void default_container(void *target) {
    struct container_plan *container = target;
    container->workdir = "/";
    container->user = "";
    container->stop_signal = 15;
}

static int check_container(void *target, struct error *error) {
    static const char *const policies[] = {[RESTART_NEVER] = "Never", [RESTART_ON_FAILURE] = "OnFailure", [RESTART_ALWAYS] = "Always", NULL};
    struct container_plan *container = target;
    const char *name = container->name;
    if (!is_name(name, MAX_NAME))
        return fail(error, "container: \"%.80s\" is not a name", name);
    if (strncmp(container->rootfs, "dir:/", 5) && !is_name(container->rootfs, MAX_SERIAL))
        return fail(error, "container %s: \"%.80s\" is no disk's serial", name, container->rootfs);
    if (!container->argv.items[0][0])
        return fail(error, "container %s: the command is empty", name);
    for (size_t index = 0; index < container->env.count; index++)
        if (!strchr(container->env.items[index], '=') || container->env.items[index][0] == '=')
            return fail(error, "container %s: \"%.80s\" is not NAME=value", name, container->env.items[index]);
    if (container->workdir[0] != '/')
        return fail(error, "container %s: the working directory \"%.80s\" is not absolute", name, container->workdir);
    for (size_t index = 0; index < container->additional_groups.count; index++)
        if (container->additional_groups.items[index] >= UINT32_MAX)
            return fail(error, "container %s: an additional group is out of range", name);
    for (size_t index = 0; index < container->capabilities.count; index++)
        if (container->capabilities.items[index] > MAX_CAPABILITY)
            return fail(error, "container %s: a capability is out of range", name);
    const char *last_word = container->last_word_path;
    if (last_word && (last_word[0] != '/' || !last_word[strspn(last_word, "/")] || has_dot_dot(last_word)))
        return fail(error, "container %s: the termination message's \"%.80s\" is not an absolute path below /", name, last_word);
    if (!container->stop_signal || container->stop_signal > MAX_SIGNAL)
        return fail(error, "container %s: the stop signal is out of range", name);
    if (container->grace_period > MAX_GRACE_PERIOD)
        return fail(error, "container %s: the grace period is out of range", name);
    if (container->startup_probe.count > 1 || container->liveness_probe.count > 1 || container->readiness_probe.count > 1)
        return fail(error, "container %s: there are two probes of one kind", name);
    if (container->post_start.count > 1 || container->pre_stop.count > 1)
        return fail(error, "container %s: there are two hooks of one kind", name);
    int policy = one_of(container->restart_policy_text, policies, "restart policy", error);
    if (policy < 0)
        return -1;
    container->restart_policy = (enum restart_policy)policy;
    return 0;
}

static int check_image(void *target, struct error *error) {
    struct image_plan *image = target;
    if (!is_name(image->serial, MAX_SERIAL))
        return fail(error, "image: \"%.80s\" is no disk's serial", image->serial);
    if (image->offset < 2 * PLAN_PLACE_SIZE || image->offset % 512 || image->size % 512 || !image->size || image->offset > INT64_MAX - image->size)
        return fail(error, "image %s: its place is out of range", image->serial);
    return 0;
}

static const struct volume_plan *volume_called(const struct launch_plan *plan, const char *name) {
    for (size_t index = 0; index < plan->volumes.count; index++)
        if (!strcmp(plan->volumes.items[index].name, name))
            return &plan->volumes.items[index];
    return NULL;
}

static int link_mounts(struct launch_plan *plan, struct container_plan *container, struct error *error) {
    for (size_t index = 0; index < container->mounts.count; index++) {
        struct mount_plan *mount = &container->mounts.items[index];
        mount->volume = volume_called(plan, mount->volume_name);
        if (!mount->volume)
            return fail(error, "container %s: there is no volume \"%.80s\"", container->name, mount->volume_name);
        if (mount->volume->kind == VOLUME_BLOCK)
            return fail(error, "container %s: volume %s has no filesystem to mount", container->name, mount->volume_name);
    }
    for (size_t index = 0; index < container->devices.count; index++) {
        const struct volume_plan *volume = volume_called(plan, container->devices.items[index].volume_name);
        if (!volume || volume->kind != VOLUME_BLOCK)
            return fail(error, "container %s: there is no block volume \"%.80s\"", container->name, container->devices.items[index].volume_name);
    }
    return 0;
}

static int check_plan(void *target, struct error *error) {
    struct launch_plan *plan = target;
    if (!is_name(plan->hostname, 64))
        return fail(error, "plan: \"%.80s\" is not a host name", plan->hostname);
    for (size_t index = 0; index < plan->sysctls.count; index++) {
        const char *setting = plan->sysctls.items[index];
        if (setting[0] == '/' || !strchr(setting, '=') || has_dot_dot(setting))
            return fail(error, "plan: \"%.80s\" is not a sysctl", setting);
    }
    for (size_t index = 0; index < plan->volumes.count; index++)
        for (size_t other = 0; other < index; other++)
            if (!strcmp(plan->volumes.items[index].name, plan->volumes.items[other].name))
                return fail(error, "plan: two volumes are called %s", plan->volumes.items[index].name);
    for (size_t index = 0; index < plan->containers.count; index++) {
        struct container_plan *container = &plan->containers.items[index];
        for (size_t other = 0; other < index; other++)
            if (!strcmp(container->name, plan->containers.items[other].name))
                return fail(error, "plan: two containers are called %s", container->name);
        if (container->init && index && !plan->containers.items[index - 1].init)
            return fail(error, "plan: the init container %s stands behind others", container->name);
        if (link_mounts(plan, container, error) < 0)
            return -1;
    }
    if (plan->active_deadline > UINT32_MAX)
        return fail(error, "plan: the deadline is out of range");
    if (plan->containers.items[plan->containers.count - 1].init)
        return fail(error, "plan: there are only init containers");
    return 0;
}

bool is_sidecar(const struct container_plan *container) { return container->init && container->restart_policy == RESTART_ALWAYS; }

static const struct rule interface_rules[] = {
    RULE(INTERFACE_MAC, FIELD_TEXT, true, interface_plan, mac, NULL),
    RULE(INTERFACE_ADDRESS, FIELD_TEXTS, false, interface_plan, addresses, NULL),
    RULE(INTERFACE_GATEWAY, FIELD_TEXTS, false, interface_plan, gateways, NULL),
    RULE(INTERFACE_MTU, FIELD_NUMBER, false, interface_plan, mtu, NULL),
    RULE(INTERFACE_DHCP, FIELD_FLAG, false, interface_plan, dhcp, NULL),
    RULE(INTERFACE_ADVERTISED, FIELD_FLAG, false, interface_plan, advertised, NULL),
    RULE(INTERFACE_ROUTED, FIELD_NUMBERS, false, interface_plan, routed, NULL),
    RULE(INTERFACE_RESOLVER, FIELD_FLAG, false, interface_plan, resolver, NULL),
    RULE(INTERFACE_NAMES, FIELD_TEXT, false, interface_plan, names, NULL),
};
static const struct form interface_form = FORM("interface", interface_plan, interface_rules, NULL, check_interface);

static const struct rule file_rules[] = {
    RULE(FILE_PATH, FIELD_TEXT, true, file_plan, path, NULL),
    RULE(FILE_DATA, FIELD_BYTES, false, file_plan, data, NULL),
    RULE(FILE_MODE, FIELD_NUMBER, true, file_plan, mode, NULL),
    RULE(FILE_SECRET, FIELD_TEXT, false, file_plan, secret, NULL),
};
static const struct form file_form = FORM("file", file_plan, file_rules, NULL, check_file);

static const struct rule volume_rules[] = {
    RULE(VOLUME_NAME, FIELD_TEXT, true, volume_plan, name, NULL),          RULE(VOLUME_KIND, FIELD_TEXT, true, volume_plan, kind_text, NULL),
    RULE(VOLUME_SIZE, FIELD_NUMBER, false, volume_plan, size, NULL),       RULE(VOLUME_GROUP, FIELD_NUMBER, false, volume_plan, group, NULL),
    RULE(VOLUME_FILE, FIELD_FORMS, false, volume_plan, files, &file_form), RULE(VOLUME_SERIAL, FIELD_TEXT, false, volume_plan, serial, NULL),
    RULE(VOLUME_REGROUP, FIELD_FLAG, false, volume_plan, regroup, NULL),   RULE(VOLUME_SERVER, FIELD_TEXT, false, volume_plan, server, NULL),
    RULE(VOLUME_PATH, FIELD_TEXT, false, volume_plan, path, NULL),
};
static const struct form volume_form = FORM("volume", volume_plan, volume_rules, NULL, check_volume);

static const struct rule mount_rules[] = {
    RULE(MOUNT_VOLUME, FIELD_TEXT, true, mount_plan, volume_name, NULL), RULE(MOUNT_TARGET, FIELD_TEXT, true, mount_plan, target, NULL),
    RULE(MOUNT_SUBPATH, FIELD_TEXT, false, mount_plan, subpath, NULL),   RULE(MOUNT_READONLY, FIELD_FLAG, false, mount_plan, readonly, NULL),
    RULE(MOUNT_COPY_UP, FIELD_FLAG, false, mount_plan, copy_up, NULL),   RULE(MOUNT_PROPAGATION, FIELD_TEXT, false, mount_plan, propagation_text, NULL),
};
static const struct form mount_form = FORM("mount", mount_plan, mount_rules, default_mount, check_mount);

static const struct rule device_rules[] = {
    RULE(DEVICE_VOLUME, FIELD_TEXT, true, device_plan, volume_name, NULL),
    RULE(DEVICE_PATH, FIELD_TEXT, true, device_plan, path, NULL),
};
static const struct form device_form = FORM("device", device_plan, device_rules, NULL, check_device);

static const struct rule ulimit_rules[] = {
    RULE(ULIMIT_RESOURCE, FIELD_NUMBER, false, ulimit_plan, resource, NULL),
    RULE(ULIMIT_SOFT, FIELD_NUMBER, false, ulimit_plan, soft, NULL),
    RULE(ULIMIT_HARD, FIELD_NUMBER, true, ulimit_plan, hard, NULL),
};
static const struct form ulimit_form = FORM("ulimit", ulimit_plan, ulimit_rules, NULL, check_ulimit);

static const struct rule part_rules[] = {
    RULE(PART_TEXT, FIELD_TEXT, false, part_plan, text, NULL),
    RULE(PART_SECRET, FIELD_TEXT, false, part_plan, secret, NULL),
};
static const struct form part_form = FORM("part", part_plan, part_rules, NULL, NULL);

static const struct rule joined_rules[] = {
    RULE(JOINED_INDEX, FIELD_NUMBER, false, joined_plan, index, NULL),
    RULE(JOINED_PART, FIELD_FORMS, true, joined_plan, parts, &part_form),
};
static const struct form joined_form = FORM("joined", joined_plan, joined_rules, NULL, NULL);

static const struct rule container_rules[] = {
    RULE(CONTAINER_NAME, FIELD_TEXT, true, container_plan, name, NULL),
    RULE(CONTAINER_ROOTFS, FIELD_TEXT, true, container_plan, rootfs, NULL),
    RULE(CONTAINER_ARGV, FIELD_TEXTS, true, container_plan, argv, NULL),
    RULE(CONTAINER_ENV, FIELD_TEXTS, false, container_plan, env, NULL),
    RULE(CONTAINER_WORKDIR, FIELD_TEXT, false, container_plan, workdir, NULL),
    RULE(CONTAINER_USER, FIELD_TEXT, false, container_plan, user, NULL),
    RULE(CONTAINER_ADDITIONAL_GROUP, FIELD_NUMBERS, false, container_plan, additional_groups, NULL),
    RULE(CONTAINER_STOP_SIGNAL, FIELD_NUMBER, false, container_plan, stop_signal, NULL),
    RULE(CONTAINER_GRACE_PERIOD, FIELD_NUMBER, true, container_plan, grace_period, NULL),
    RULE(CONTAINER_RESTART_POLICY, FIELD_TEXT, true, container_plan, restart_policy_text, NULL),
    RULE(CONTAINER_MOUNT, FIELD_FORMS, false, container_plan, mounts, &mount_form),
    RULE(CONTAINER_CAPABILITY, FIELD_NUMBERS, false, container_plan, capabilities, NULL),
    RULE(CONTAINER_READONLY_ROOTFS, FIELD_FLAG, false, container_plan, readonly_rootfs, NULL),
    RULE(CONTAINER_NO_NEW_PRIVILEGES, FIELD_FLAG, false, container_plan, no_new_privileges, NULL),
    RULE(CONTAINER_PRIVILEGED, FIELD_FLAG, false, container_plan, privileged, NULL),
    RULE(CONTAINER_TTY, FIELD_FLAG, false, container_plan, tty, NULL),
    RULE(CONTAINER_STDIN, FIELD_FLAG, false, container_plan, open_stdin, NULL),
    RULE(CONTAINER_STDIN_ONCE, FIELD_FLAG, false, container_plan, stdin_once, NULL),
    RULE(CONTAINER_INIT, FIELD_FLAG, false, container_plan, init, NULL),
    RULE(CONTAINER_STARTUP_PROBE, FIELD_FORMS, false, container_plan, startup_probe, &probe_form),
    RULE(CONTAINER_LIVENESS_PROBE, FIELD_FORMS, false, container_plan, liveness_probe, &probe_form),
    RULE(CONTAINER_READINESS_PROBE, FIELD_FORMS, false, container_plan, readiness_probe, &probe_form),
    RULE(CONTAINER_POST_START, FIELD_FORMS, false, container_plan, post_start, &action_form),
    RULE(CONTAINER_PRE_STOP, FIELD_FORMS, false, container_plan, pre_stop, &action_form),
    RULE(CONTAINER_MERGE_GROUPS, FIELD_FLAG, false, container_plan, merge_groups, NULL),
    RULE(CONTAINER_NON_ROOT, FIELD_FLAG, false, container_plan, non_root, NULL),
    RULE(CONTAINER_UNMASKED_PROC, FIELD_FLAG, false, container_plan, unmasked_proc, NULL),
    RULE(CONTAINER_CPU_QUOTA, FIELD_NUMBER, false, container_plan, cpu_quota, NULL),
    RULE(CONTAINER_CPU_WEIGHT, FIELD_NUMBER, false, container_plan, cpu_weight, NULL),
    RULE(CONTAINER_MEMORY_LIMIT, FIELD_NUMBER, false, container_plan, memory_limit, NULL),
    RULE(CONTAINER_STORAGE_LIMIT, FIELD_NUMBER, false, container_plan, storage_limit, NULL),
    RULE(CONTAINER_DEVICE, FIELD_FORMS, false, container_plan, devices, &device_form),
    RULE(CONTAINER_ULIMIT, FIELD_FORMS, false, container_plan, ulimits, &ulimit_form),
    RULE(CONTAINER_GROUP_NAME, FIELD_TEXTS, false, container_plan, group_names, NULL),
    RULE(CONTAINER_LAST_WORD_PATH, FIELD_TEXT, false, container_plan, last_word_path, NULL),
    RULE(CONTAINER_LAST_WORD_LOG, FIELD_FLAG, false, container_plan, last_word_from_log, NULL),
    RULE(CONTAINER_FILTERED, FIELD_FLAG, false, container_plan, filtered, NULL),
    RULE(CONTAINER_SECRET_ARGV, FIELD_FORMS, false, container_plan, secret_argv, &joined_form),
    RULE(CONTAINER_SECRET_ENV, FIELD_FORMS, false, container_plan, secret_env, &joined_form),
};
static const struct form container_form = FORM("container", container_plan, container_rules, default_container, check_container);

static const struct rule image_rules[] = {
    RULE(IMAGE_SERIAL, FIELD_TEXT, true, image_plan, serial, NULL),
    RULE(IMAGE_OFFSET, FIELD_NUMBER, true, image_plan, offset, NULL),
    RULE(IMAGE_SIZE, FIELD_NUMBER, true, image_plan, size, NULL),
};
static const struct form image_form = FORM("image", image_plan, image_rules, NULL, check_image);

static const struct rule plan_rules[] = {
    RULE(PLAN_HOSTNAME, FIELD_TEXT, true, launch_plan, hostname, NULL),
    RULE(PLAN_HOSTS, FIELD_BYTES, false, launch_plan, hosts, NULL),
    RULE(PLAN_RESOLV_CONF, FIELD_BYTES, false, launch_plan, resolv_conf, NULL),
    RULE(PLAN_INTERFACE, FIELD_FORMS, false, launch_plan, interfaces, &interface_form),
    RULE(PLAN_VOLUME, FIELD_FORMS, false, launch_plan, volumes, &volume_form),
    RULE(PLAN_CONTAINER, FIELD_FORMS, true, launch_plan, containers, &container_form),
    RULE(PLAN_SCRATCH, FIELD_FLAG, true, launch_plan, scratch, NULL),
    RULE(PLAN_ACTIVE_DEADLINE, FIELD_NUMBER, false, launch_plan, active_deadline, NULL),
    RULE(PLAN_SYSCTL, FIELD_TEXTS, false, launch_plan, sysctls, NULL),
    RULE(PLAN_IMAGE, FIELD_FORMS, false, launch_plan, images, &image_form),
    RULE(PLAN_SECRETS, FIELD_FLAG, false, launch_plan, secrets, NULL),
};
static const struct form plan_form = FORM("plan", launch_plan, plan_rules, NULL, check_plan);

int header_body_size(const uint8_t *header, const char *magic, size_t limit, size_t *size, struct error *error) {
    if (memcmp(header, magic, 8))
        return fail(error, "plan: this does not begin with %s", magic);
    if (get_u32(header + 8) != PLAN_VERSION)
        return fail(error, "plan: version %u, hyperstart understands %d", get_u32(header + 8), PLAN_VERSION);
    if (get_u32(header + 12) > limit)
        return fail(error, "plan: too long");
    *size = get_u32(header + 12);
    return 0;
}

int header_check(const uint8_t *header, const uint8_t *body, size_t size, struct error *error) {
    return crc32(plan_revision(header), body, size) == get_u32(header + 16) ? 0 : fail(error, "plan: the checksum is wrong");
}

int plan_body_size(const uint8_t *header, size_t *size, struct error *error) { return header_body_size(header, PLAN_MAGIC, PLAN_MAX_SIZE, size, error); }

uint32_t plan_revision(const uint8_t *header) { return get_u32(header + 20); }

int plan_check(const uint8_t *header, const uint8_t *body, struct error *error) {
    size_t size;
    if (plan_body_size(header, &size, error) < 0)
        return -1;
    return header_check(header, body, size, error);
}

int plan_parse(const uint8_t *header, uint8_t *body, struct launch_plan *plan, struct arena *arena, struct error *error) {
    size_t size;
    if (plan_check(header, body, error) < 0 || plan_body_size(header, &size, error) < 0)
        return -1;
    memset(plan, 0, sizeof *plan);
    return form_parse(&plan_form, body, size, plan, arena, error);
}

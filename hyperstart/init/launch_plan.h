// SPDX-License-Identifier: GPL-3.0-or-later
/* The launch plan as hyperstart holds it. Everything was checked: names are safe as path components, references exist. */
#ifndef LAUNCH_PLAN_H
#define LAUNCH_PLAN_H

#include "life_plan.h"

struct interface_plan {
    char *mac;
    struct texts addresses, gateways;
    uint64_t mtu; /* 0: the device's own */
    bool dhcp, advertised, resolver;
    struct numbers routed; /* 4, 6 */
    char *names;
};

struct file_plan {
    char *path; /* relative, without .. */
    struct bytes data;
    uint64_t mode;
    char *secret; /* NULL: the data is here */
};

struct image_plan {
    char *serial;
    uint64_t offset, size; /* bytes */
};

enum volume_kind { VOLUME_SCRATCH, VOLUME_TMPFS, VOLUME_DISK, VOLUME_BLOCK, VOLUME_IMAGE, VOLUME_HOST, VOLUME_NFS };

struct volume_plan {
    char *name, *kind_text;
    enum volume_kind kind;
    uint64_t size;       /* 0: the kernel's default */
    uint64_t group;      /* 0: none */
    char *serial;        /* NULL: no disk of its own */
    char *server, *path; /* nfs only */
    bool regroup;
    struct {
        struct file_plan *items;
        size_t count;
    } files;
};

enum propagation { PROPAGATION_NONE, PROPAGATION_IN, PROPAGATION_BOTH };

struct mount_plan {
    char *volume_name, *target, *subpath, *propagation_text;
    bool readonly, copy_up;
    enum propagation propagation;
    const struct volume_plan *volume;
};

struct part_plan {
    char *text, *secret;
};

struct joined_plan {
    uint64_t index;
    struct {
        struct part_plan *items;
        size_t count;
    } parts;
};

struct joined_plans {
    struct joined_plan *items;
    size_t count;
};

struct device_plan {
    char *volume_name, *path;
};

struct ulimit_plan {
    uint64_t resource, soft, hard;
};

enum restart_policy { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

struct container_plan {
    char *name, *rootfs;
    struct texts argv, env;
    struct joined_plans secret_argv, secret_env;
    char *workdir, *user;
    struct numbers additional_groups;
    struct texts group_names; /* in the image */
    struct {
        struct ulimit_plan *items;
        size_t count;
    } ulimits;
    uint64_t stop_signal, grace_period;           /* the latter in seconds */
    uint64_t cpu_quota, cpu_weight, memory_limit; /* microseconds in 100000, 1 to 10000, bytes; 0: none */
    uint64_t storage_limit;                       /* bytes in its writable layer; 0: none */
    char *restart_policy_text;
    enum restart_policy restart_policy;
    struct {
        struct mount_plan *items;
        size_t count;
    } mounts;
    struct {
        struct device_plan *items;
        size_t count;
    } devices;
    struct numbers capabilities;
    bool readonly_rootfs, no_new_privileges, privileged, merge_groups, non_root, unmasked_proc, tty, open_stdin, stdin_once;
    bool init;
    struct probe_plans startup_probe, liveness_probe, readiness_probe;
    struct action_plans post_start, pre_stop;
    char *last_word_path; /* NULL: none */
    bool last_word_from_log;
    bool filtered;
};

struct launch_plan {
    char *hostname;
    struct bytes hosts, resolv_conf;
    struct {
        struct interface_plan *items;
        size_t count;
    } interfaces;
    struct {
        struct volume_plan *items;
        size_t count;
    } volumes;
    struct {
        struct container_plan *items;
        size_t count;
    } containers;
    bool scratch;
    uint64_t active_deadline; /* seconds; 0: none */
    struct texts sysctls;     /* "path=value" */
    struct {
        struct image_plan *items;
        size_t count;
    } images;
    bool secrets;
};

/* An init container that goes on beside those that follow it. */
bool is_sidecar(const struct container_plan *container);

/* What plans and secrets begin with, PLAN_HEADER_SIZE bytes: the size of the body that it announces; and whether that is unharmed. */
int header_body_size(const uint8_t *header, const char *magic, size_t limit, size_t *size, struct error *error);
int header_check(const uint8_t *header, const uint8_t *body, size_t size, struct error *error);

/* Of two plans the later one has the higher. */
uint32_t plan_revision(const uint8_t *header);

/* The size of the body that `header` (PLAN_HEADER_SIZE bytes) announces. */
int plan_body_size(const uint8_t *header, size_t *size, struct error *error);

/* Whether all of it is there, and unharmed. */
int plan_check(const uint8_t *header, const uint8_t *body, struct error *error);

/* `body` is changed and belongs to the plan from now on. */
int plan_parse(const uint8_t *header, uint8_t *body, struct launch_plan *plan, struct arena *arena, struct error *error);

#endif

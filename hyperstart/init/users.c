// SPDX-License-Identifier: GPL-3.0-or-later
#include "users.h"

#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT (4 << 20)
#define MAX_COLUMNS 7

/* -1: not a number below 2^32 - 1, which the kernel takes for "no change". */
static int64_t as_id(const char *text) {
    char *end;
    size_t length = strlen(text);
    if (!length || length > 10 || strspn(text, "0123456789") != length)
        return -1;
    unsigned long long id = strtoull(text, &end, 10);
    return id < UINT32_MAX ? (int64_t)id : -1;
}

/* Cuts the next line of a colon-separated file into its columns; false at the end. Missing columns are empty. */
static bool next_row(char **at, char *columns[MAX_COLUMNS]) {
    if (!*at || !**at)
        return false;
    char *line = *at;
    size_t length = strcspn(line, "\n");
    *at = line + length + (line[length] ? 1 : 0);
    line[length] = 0;
    for (int column = 0; column < MAX_COLUMNS; column++) {
        columns[column] = line;
        line += strcspn(line, ":");
        if (*line)
            *line++ = 0;
    }
    return true;
}

static void add_group(struct identity *identity, int64_t gid) {
    if (gid < 0 || identity->group_count == MAX_GROUPS)
        return;
    for (size_t index = 0; index < identity->group_count; index++)
        if (identity->groups[index] == (gid_t)gid)
            return;
    identity->groups[identity->group_count++] = (gid_t)gid;
}

static bool is_member(char *members, const char *name) {
    for (char *save, *member = strtok_r(members, ",", &save); member; member = strtok_r(NULL, ",", &save))
        if (!strcmp(member, name))
            return true;
    return false;
}

/* name:password:uid:gid:comment:home:shell */
static int find_user(const char *wanted, struct identity *identity, char name[256], struct error *error) {
    FREEING passwd = file_read(AT_FDCWD, "/etc/passwd", FILE_LIMIT, NULL);
    char *columns[MAX_COLUMNS], *at = passwd;
    int64_t number = as_id(wanted);
    while (next_row(&at, columns)) {
        int64_t uid = as_id(columns[2]), gid = as_id(columns[3]);
        if (uid < 0 || gid < 0 || (strcmp(columns[0], wanted) && uid != number))
            continue;
        identity->uid = (uid_t)uid;
        identity->gid = (gid_t)gid;
        snprintf(identity->home, sizeof identity->home, "%s", columns[5]);
        snprintf(name, 256, "%s", columns[0]);
        return 0;
    }
    if (number < 0)
        return fail(error, "user %.80s: not in the image's /etc/passwd", wanted);
    identity->uid = (uid_t)number;
    return 0;
}

/* name:password:gid:members. */
static void add_groups_of(const char *user, struct identity *identity) {
    FREEING group = file_read(AT_FDCWD, "/etc/group", FILE_LIMIT, NULL);
    char *columns[MAX_COLUMNS], *at = group;
    while (next_row(&at, columns))
        if (is_member(columns[3], user))
            add_group(identity, as_id(columns[2]));
}

/* Of a name or a number; below 0: there is none. */
static int64_t group_id(const char *wanted, struct error *error) {
    FREEING group = file_read(AT_FDCWD, "/etc/group", FILE_LIMIT, NULL);
    char *columns[MAX_COLUMNS], *at = group;
    int64_t number = as_id(wanted);
    while (next_row(&at, columns))
        if (as_id(columns[2]) >= 0 && !strcmp(columns[0], wanted))
            return as_id(columns[2]);
    return number < 0 ? fail(error, "group %.80s: not in the image's /etc/group", wanted) : number;
}

int identity_resolve(const char *user, const struct container_plan *container, struct identity *identity, struct error *error) {
    char wanted[256], name[256] = "";
    if ((size_t)snprintf(wanted, sizeof wanted, "%s", user) >= sizeof wanted)
        return fail(error, "user: too long");
    char *group = strchr(wanted, ':');
    if (group)
        *group++ = 0;
    *identity = (struct identity){.uid = 0};
    if (find_user(*wanted ? wanted : "0", identity, name, error) < 0)
        return -1;
    bool given = group && *group;
    if (given) {
        int64_t gid = group_id(group, error);
        if (gid < 0)
            return -1;
        identity->gid = (gid_t)gid;
    }
    if (*name && (!given || container->merge_groups))
        add_groups_of(name, identity);
    for (size_t index = 0; index < container->additional_groups.count; index++)
        add_group(identity, (int64_t)container->additional_groups.items[index]);
    for (size_t index = 0; index < container->group_names.count; index++) {
        int64_t gid = group_id(container->group_names.items[index], error);
        if (gid < 0)
            return -1;
        add_group(identity, gid);
    }
    /* Otherwise who drops the group by a setgid program escapes what is denied to it (CVE-2022-36109, where engines lacked this). */
    add_group(identity, identity->gid);
    if (!identity->home[0])
        strcpy(identity->home, "/");
    return 0;
}

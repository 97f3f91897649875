// SPDX-License-Identifier: GPL-3.0-or-later
#include "leases.h"

#include "address.h"
#include "control.h"
#include "dhcp.h"
#include "files.h"
#include "log.h"
#include "machine.h"
#include "network.h"
#include "own_address.h"
#include "pod.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_STATUS_ADDRESSES 16

/* Of an interface of the plan, which is the same for all plans of a pod; only what it says changes its place in memory. */
struct held {
    struct dhcp client;
    size_t index;
    struct held *next;
};

static struct held *all;

static const struct interface_plan *plan_of(const struct held *held) { return &pod.plan.interfaces.items[held->index]; }

/* Of the interface with this index; NULL: it has none. */
static const struct lease *lease_of(size_t index) {
    for (const struct held *held = all; held; held = held->next)
        if (held->index == index)
            return dhcp_has_lease(&held->client) ? &held->client.lease : NULL;
    return NULL;
}

static const char *text_of(uint32_t address) { return inet_ntoa((struct in_addr){address}); }

int leases_missing(struct error *error) {
    for (const struct held *held = all; held; held = held->next)
        if (!dhcp_has_lease(&held->client)) {
            fail(error, "waiting for a DHCP server to give the interface %s an address", plan_of(held)->mac);
            return 1;
        }
    return 0;
}

void leases_fill(struct launch_plan *plan) {
    const struct lease *own = lease_of(0);
    if (own)
        own_address_fill(plan, text_of(own->address));
}

static int write_etc(const char *name, const struct bytes *first, const struct bytes *second) {
    CLOSING fd = open(state_path("etc/%s", name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool done = fd >= 0 && write(fd, first->data, first->size) == (ssize_t)first->size && write(fd, second->data, second->size) == (ssize_t)second->size;
    return done ? 0 : -1;
}

/* Lines for one of the files; those that find no room are left out. */
struct lines {
    char text[2048];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void add_line(struct lines *lines, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(lines->text + lines->size, sizeof lines->text - lines->size, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof lines->text - lines->size)
        lines->size += (size_t)length;
}

int names_write(struct error *error) {
    struct lines hostname = {.size = 0}, names = {.size = 0}, resolvers = {.size = 0};
    add_line(&hostname, "%s\n", pod.plan.hostname);
    for (size_t index = 0; index < pod.plan.interfaces.count; index++) {
        const struct interface_plan *plan = &pod.plan.interfaces.items[index];
        const struct lease *lease = lease_of(index);
        if (!lease)
            continue;
        if (plan->names)
            add_line(&names, "%s\t%s\n", text_of(lease->address), plan->names);
        for (size_t server = 0; plan->resolver && server < lease->name_server_count; server++)
            add_line(&resolvers, "nameserver %s\n", text_of(lease->name_servers[server]));
        /* Of several such lines the last one counts: the plan's, if it has one. */
        if (plan->resolver && lease->domain[0])
            add_line(&resolvers, "search %s\n", lease->domain);
    }
    const struct bytes own_names = {(const uint8_t *)names.text, names.size}, own_resolvers = {(const uint8_t *)resolvers.text, resolvers.size};
    if (file_write(state_path("etc/hostname"), hostname.text, hostname.size) < 0 || write_etc("hosts", &pod.plan.hosts, &own_names) < 0 ||
        write_etc("resolv.conf", &own_resolvers, &pod.plan.resolv_conf) < 0)
        return fail_errno(error, "writing the names of the pod");
    return 0;
}

static void tell(const struct held *held, const struct lease *lease, const char *lost) {
    char name[IF_NAMESIZE] = "", address[24], seconds[16];
    if_indextoname(held->client.interface, name);
    snprintf(address, sizeof address, "%s/%u", text_of(lease->address), lease->prefix);
    snprintf(seconds, sizeof seconds, "%u", lease->seconds);
    if (lost)
        log_event("-", "unleased", "interface", name, "address", address, "cause", lost, NULL);
    else
        log_event("-", "leased", "interface", name, "address", address, "server", text_of(lease->server), "seconds", seconds, NULL);
}

static bool says_the_same(const struct lease *lease, const struct lease *former) {
    struct lease longer = *former;
    longer.seconds = lease->seconds, longer.renew = lease->renew, longer.rebind = lease->rebind;
    return !memcmp(lease, &longer, sizeof longer);
}

static void changed(struct dhcp *client, const struct lease *former, const char *lost) {
    struct held *held = containing(client, struct held, client);
    const struct lease *lease = lost ? NULL : &client->lease;
    struct error error;
    if (lease && former && says_the_same(lease, former))
        return;
    if (interface_lease(client->interface, plan_of(held), lease, former) < 0) {
        fail_errno(&error, "interface %s: address %s", plan_of(held)->mac, text_of(client->lease.address));
        fprintf(stderr, "hyperstart: %s\n", error.text);
    }
    tell(held, lost ? former : lease, lost);
    if (names_write(&error) < 0)
        fprintf(stderr, "hyperstart: %s\n", error.text);
    leases_fill(&pod.plan);
    pod.changes++;
    pod_progress();
}

/* The kernel takes what routers advertise by itself; that there is something new to tell is all that is to be known of it. */
static void addresses_changed(struct source *source, uint32_t events) {
    char message[4096];
    (void)events;
    while (recv(source->fd, message, sizeof message, 0) > 0)
        ;
    pod.changes++;
}

static int watch_addresses(struct error *error) {
    static struct source source = {.fd = -1, .ready = addresses_changed};
    struct sockaddr_nl wanted = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_IFADDR};
    if (source.fd >= 0)
        return 0;
    source.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (source.fd < 0 || bind(source.fd, (struct sockaddr *)&wanted, sizeof wanted) < 0 || loop_watch(&source, EPOLLIN) < 0)
        return fail_errno(error, "listening for addresses");
    return 0;
}

int leases_begin(size_t index, struct error *error) {
    const struct interface_plan *plan = &pod.plan.interfaces.items[index];
    uint8_t mac[6];
    if (plan->advertised && watch_addresses(error) < 0)
        return -1;
    if (!plan->dhcp)
        return 0;
    struct held *held = calloc(1, sizeof *held);
    if (!held || mac_parse(plan->mac, mac) < 0)
        return fail(error, "interface %s: out of memory", plan->mac);
    held->index = index;
    held->client.changed = changed;
    held->next = all;
    all = held;
    return dhcp_start(&held->client, interface_number(plan->mac), mac, pod.plan.hostname, error);
}

/* What routers advertised, and what the plan gave: lines `address interface prefix scope flags name` of /proc, in hexadecimal. */
static void write_advertised(struct writer *writer, unsigned interface) {
    char lines[4096];
    CLOSING fd = open("/proc/net/if_inet6", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, lines, sizeof lines - 1);
    lines[got > 0 ? got : 0] = 0;
    int count = 0;
    for (char *save, *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        enum { NUMBER, PREFIX, SCOPE, FLAGS, FIELDS };
        unsigned long fields[FIELDS];
        uint8_t bytes[16];
        char text[INET6_ADDRSTRLEN];
        if (hexadecimal_parse(line, bytes, sizeof bytes) < 0)
            continue;
        char *rest = line + 2 * sizeof bytes;
        for (int index = 0; index < FIELDS; index++)
            fields[index] = strtoul(rest, &rest, 16);
        if (fields[NUMBER] != interface || fields[SCOPE] != RT_SCOPE_UNIVERSE || fields[FLAGS] & (IFA_F_TENTATIVE | IFA_F_DADFAILED) ||
            count == MAX_STATUS_ADDRESSES)
            continue;
        write_text(writer, STATUS_INTERFACE_ADDRESS, inet_ntop(AF_INET6, bytes, text, sizeof text));
        count++;
    }
}

void leases_status(struct writer *writer) {
    for (size_t index = 0; index < pod.plan.interfaces.count; index++) {
        const struct interface_plan *plan = &pod.plan.interfaces.items[index];
        const struct lease *lease = lease_of(index);
        if (!plan->dhcp && !plan->advertised)
            continue;
        size_t begin = write_begin(writer, STATUS_INTERFACE);
        write_text(writer, STATUS_INTERFACE_MAC, plan->mac);
        if (lease)
            write_text(writer, STATUS_INTERFACE_ADDRESS, text_of(lease->address));
        if (plan->advertised)
            write_advertised(writer, interface_number(plan->mac));
        write_end(writer, begin);
    }
}

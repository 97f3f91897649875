// SPDX-License-Identifier: GPL-3.0-or-later
#include "network.h"

#include "address.h"
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    union {
        struct nlmsghdr header;
        char space[256];
    };
};

static void *begin(struct request *request, uint16_t type, uint16_t flags, size_t body) {
    memset(request, 0, sizeof *request);
    request->header = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(body), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags};
    return NLMSG_DATA(&request->header);
}

static void attribute(struct request *request, uint16_t type, const void *data, size_t size) {
    struct rtattr *place = (struct rtattr *)(void *)(request->space + NLMSG_ALIGN(request->header.nlmsg_len));
    place->rta_type = type;
    place->rta_len = (uint16_t)RTA_LENGTH(size);
    memcpy(RTA_DATA(place), data, size);
    request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(place->rta_len));
}

/* Sends, and reads the kernel's verdict into errno. */
static int ask(struct request *request) {
    union {
        struct nlmsghdr header;
        char space[1024];
    } answer;
    /* One for all requests: each is answered before the next. */
    static int fd = -1;
    if (fd < 0)
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, request, request->header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return -1;
    int verdict = ((struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
    if (answer.header.nlmsg_type != NLMSG_ERROR || (verdict && verdict != -EEXIST)) {
        errno = answer.header.nlmsg_type == NLMSG_ERROR ? -verdict : EPROTO;
        return -1;
    }
    return 0;
}

static int link_up(unsigned interface, uint32_t mtu) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = (int)interface;
    link->ifi_flags = link->ifi_change = IFF_UP;
    if (mtu)
        attribute(&request, IFLA_MTU, &mtu, sizeof mtu);
    return ask(&request);
}

/* type: RTM_NEWADDR or RTM_DELADDR. */
static int change_address(uint16_t type, unsigned interface, const struct address *address) {
    struct request request;
    struct ifaddrmsg *message = begin(&request, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof *message);
    message->ifa_family = (uint8_t)address->family;
    message->ifa_prefixlen = address->prefix;
    message->ifa_index = interface;
    /* A static address is nobody else's: usable at once instead of after a second of asking around. */
    message->ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0;
    attribute(&request, IFA_LOCAL, address->bytes, address->size);
    attribute(&request, IFA_ADDRESS, address->bytes, address->size);
    return ask(&request);
}

/* type: RTM_NEWROUTE or RTM_DELROUTE. */
static int change_default_route(uint16_t type, unsigned flags, unsigned interface, const struct address *gateway) {
    struct request request;
    struct rtmsg *route = begin(&request, type, type == RTM_NEWROUTE ? NLM_F_CREATE : 0, sizeof *route);
    route->rtm_family = (uint8_t)gateway->family;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    route->rtm_flags = flags;
    attribute(&request, RTA_GATEWAY, gateway->bytes, gateway->size);
    attribute(&request, RTA_OIF, &interface, sizeof interface);
    return ask(&request);
}

/* It is the first of every network namespace (the kernel's LOOPBACK_IFINDEX). */
int loopback_up(struct error *error) { return link_up(1, 0) < 0 ? fail_errno(error, "the loopback interface") : 0; }

/* Without the sockets that if_nametoindex and if_indextoname open. */
static unsigned number_of(const char *name) {
    char path[320], word[16];
    snprintf(path, sizeof path, "/sys/class/net/%s/ifindex", name);
    return word_read(path, word, sizeof word) < 0 ? 0 : (unsigned)atoi(word);
}

static unsigned find(const char *mac, char name[IF_NAMESIZE]) {
    unsigned found = 0;
    DIR *entries = opendir("/sys/class/net");
    if (!entries)
        return 0;
    for (struct dirent *entry; !found && (entry = readdir(entries));) {
        char path[320], word[32];
        snprintf(path, sizeof path, "/sys/class/net/%s/address", entry->d_name);
        if (entry->d_name[0] == '.' || word_read(path, word, sizeof word) < 0 || strcasecmp(word, mac))
            continue;
        found = number_of(entry->d_name);
        snprintf(name, IF_NAMESIZE, "%.*s", IF_NAMESIZE - 1, entry->d_name);
    }
    closedir(entries);
    return found;
}

unsigned interface_number(const char *mac) {
    char name[IF_NAMESIZE];
    return find(mac, name);
}

static bool takes_route(const struct interface_plan *plan, uint64_t family) {
    for (size_t index = 0; index < plan->routed.count; index++)
        if (plan->routed.items[index] == family)
            return true;
    return false;
}

/* What a router on the network offers is not taken unless the plan says so. A kernel without IPv6 has nothing to switch off. */
static void refuse_offers(const char *name, const struct interface_plan *plan) {
    char path[80];
    if (plan->advertised && takes_route(plan, 6))
        return;
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_ra%s", name, plan->advertised ? "_defrtr" : "");
    word_write(path, "0");
}

int interface_configure(const struct interface_plan *plan, struct error *error) {
    char name[IF_NAMESIZE];
    unsigned interface = find(plan->mac, name);
    struct address address;
    if (!interface)
        return 1;
    refuse_offers(name, plan);
    if (link_up(interface, (uint32_t)plan->mtu) < 0)
        return fail_errno(error, "interface %s", plan->mac);
    for (size_t index = 0; index < plan->addresses.count; index++)
        if (address_parse(plan->addresses.items[index], true, &address) < 0 || change_address(RTM_NEWADDR, interface, &address) < 0)
            return fail_errno(error, "interface %s: address %s", plan->mac, plan->addresses.items[index]);
    for (size_t index = 0; index < plan->gateways.count; index++)
        if (address_parse(plan->gateways.items[index], false, &address) < 0 || change_default_route(RTM_NEWROUTE, 0, interface, &address) < 0)
            return fail_errno(error, "interface %s: gateway %s", plan->mac, plan->gateways.items[index]);
    return 0;
}

static struct address of_ipv4(uint32_t number, uint8_t prefix) {
    struct address address = {.family = AF_INET, .size = sizeof number, .prefix = prefix};
    memcpy(address.bytes, &number, sizeof number);
    return address;
}

/* Addresses and routes of leases that the kernel has lost meanwhile are no failure: what is wanted of it is that it has the last one. */
int interface_lease(unsigned interface, const struct interface_plan *plan, const struct lease *lease, const struct lease *former) {
    bool routed = takes_route(plan, 4);
    if (former && routed && former->router && (!lease || former->router != lease->router)) {
        struct address router = of_ipv4(former->router, 32);
        change_default_route(RTM_DELROUTE, 0, interface, &router);
    }
    if (former && (!lease || former->address != lease->address || former->prefix != lease->prefix)) {
        struct address address = of_ipv4(former->address, former->prefix);
        change_address(RTM_DELADDR, interface, &address);
    }
    if (!lease)
        return 0;
    struct address address = of_ipv4(lease->address, lease->prefix), router = of_ipv4(lease->router, 32);
    /* Only a smaller one: the host's end of the wire takes no larger frames than before. */
    if (!plan->mtu && lease->mtu && lease->mtu < ETH_DATA_LEN)
        link_up(interface, lease->mtu);
    if (change_address(RTM_NEWADDR, interface, &address) < 0)
        return -1;
    /* A router may stand outside of the network that the address is in. */
    return routed && lease->router ? change_default_route(RTM_NEWROUTE, RTNH_F_ONLINK, interface, &router) : 0;
}

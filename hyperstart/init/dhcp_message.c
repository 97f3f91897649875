// SPDX-License-Identifier: GPL-3.0-or-later
#include "dhcp_message.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

/* Offsets (RFC 2131, figure 1). */
enum { XID = 4, SECONDS = 8, FLAGS = 10, CIADDR = 12, YIADDR = 16, CHADDR = 28, SNAME = 44, FILE_NAME = 108, COOKIE = 236, OPTIONS = 240, LEAST = 300 };
enum { BOOTREQUEST = 1, BOOTREPLY = 2, ETHERNET = 1, MAC_SIZE = 6 };

/* Options (RFC 2132). */
enum {
    PAD = 0,
    MASK = 1,
    ROUTER = 3,
    NAME_SERVER = 6,
    HOSTNAME = 12,
    DOMAIN = 15,
    MTU = 26,
    REQUESTED = 50,
    LEASE_TIME = 51,
    OVERLOAD = 52,
    TYPE = 53,
    SERVER = 54,
    WANTED = 55,
    RENEWAL_TIME = 58,
    REBINDING_TIME = 59,
    END = 255
};

static const uint8_t cookie[] = {99, 130, 83, 99};

/* As the annotation of a pod has it: IPv6 needs as much. */
#define LEAST_MTU 1280
/* A server that lends for less would have its clients do nothing else. */
#define LEAST_LEASE 10

static uint8_t *put(uint8_t *at, uint8_t code, const void *data, size_t size) {
    if (!size)
        return at;
    *at++ = code;
    *at++ = (uint8_t)size;
    memcpy(at, data, size);
    return at + size;
}

size_t dhcp_write(const struct dhcp_request *request, uint8_t data[DHCP_MESSAGE_SIZE]) {
    static const uint8_t wanted[] = {MASK, ROUTER, NAME_SERVER, DOMAIN, MTU, RENEWAL_TIME, REBINDING_TIME};
    const uint8_t type = (uint8_t)request->type;
    uint32_t xid = htonl(request->xid);
    uint16_t seconds = htons(request->seconds);
    size_t hostname = strlen(request->hostname);
    memset(data, 0, DHCP_MESSAGE_SIZE);
    data[0] = BOOTREQUEST;
    data[1] = ETHERNET;
    data[2] = MAC_SIZE;
    memcpy(data + XID, &xid, sizeof xid);
    memcpy(data + SECONDS, &seconds, sizeof seconds);
    memcpy(data + CIADDR, &request->own, sizeof request->own);
    memcpy(data + CHADDR, request->mac, MAC_SIZE);
    memcpy(data + COOKIE, cookie, sizeof cookie);
    /* Who has no address yet hears only what all hear. */
    if (!request->own)
        data[FLAGS] = 0x80;
    uint8_t *at = put(data + OPTIONS, TYPE, &type, 1);
    at = put(at, REQUESTED, &request->requested, request->requested ? sizeof request->requested : 0);
    at = put(at, SERVER, &request->server, request->server ? sizeof request->server : 0);
    at = put(at, HOSTNAME, request->hostname, hostname < 64 ? hostname : 63);
    at = put(at, WANTED, wanted, sizeof wanted);
    *at++ = END;
    return at - data < LEAST ? LEAST : (size_t)(at - data);
}

struct option {
    const uint8_t *data; /* NULL: absent */
    size_t size;
};

/* Of an option that occurs twice the first counts. */
static void collect(const uint8_t *at, size_t size, struct option options[256]) {
    const uint8_t *end = at + size;
    while (at < end && *at != END) {
        if (*at == PAD) {
            at++;
            continue;
        }
        if (end - at < 2 || end - at - 2 < at[1])
            return;
        if (!options[at[0]].data)
            options[at[0]] = (struct option){at + 2, at[1]};
        at += 2 + at[1];
    }
}

/* One that a host on this network can have. */
static bool is_usable(uint32_t address) {
    uint8_t first = (uint8_t)(ntohl(address) >> 24);
    return first && first != 127 && first < 224;
}

static uint32_t read_u32(const struct option *option, size_t index) {
    uint32_t value = 0;
    if (option->size >= 4 * (index + 1))
        memcpy(&value, option->data + 4 * index, sizeof value);
    return value;
}

static uint32_t read_address(const struct option *option, size_t index) {
    uint32_t address = read_u32(option, index);
    return is_usable(address) ? address : 0;
}

/* The prefix of a mask, or of the address's class where a server says none; 0 for a mask with holes. */
static uint8_t read_prefix(const struct option *mask, uint32_t address) {
    uint8_t first = (uint8_t)(ntohl(address) >> 24), prefix = 0;
    if (mask->size != 4)
        return first < 128 ? 8 : first < 192 ? 16 : 24;
    uint32_t bits = ntohl(read_u32(mask, 0));
    while (prefix < 32 && bits >> (31 - prefix) & 1)
        prefix++;
    return prefix == 32 || !(bits << prefix) ? prefix : 0;
}

static bool is_a_hosts(uint32_t address, uint8_t prefix) {
    uint32_t host = prefix >= 31 ? 0 : UINT32_MAX >> prefix, part = ntohl(address) & host;
    return prefix && (prefix >= 31 || (part && part != host));
}

static void read_domain(const struct option *option, char domain[254]) {
    size_t size = option->size;
    while (size && !option->data[size - 1])
        size--;
    for (size_t index = 0; index < size; index++) {
        uint8_t letter = option->data[index];
        bool is_letter = (letter | 0x20) >= 'a' && (letter | 0x20) <= 'z';
        if (size > 253 || !(is_letter || (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || (letter == '-' && index)))
            return;
    }
    if (size)
        memcpy(domain, option->data, size);
}

static void read_times(const struct option options[256], struct lease *lease) {
    uint32_t renew = ntohl(read_u32(&options[RENEWAL_TIME], 0)), rebind = ntohl(read_u32(&options[REBINDING_TIME], 0));
    if (lease->seconds == DHCP_FOR_EVER) {
        lease->renew = lease->rebind = DHCP_FOR_EVER;
        return;
    }
    if (lease->seconds < LEAST_LEASE)
        lease->seconds = LEAST_LEASE;
    /* RFC 2131, 4.4.5; what a server says otherwise has to make sense. */
    lease->renew = renew >= 2 && renew < lease->seconds ? renew : lease->seconds / 2;
    lease->rebind = rebind > lease->renew && rebind < lease->seconds ? rebind : lease->renew + (lease->seconds - lease->renew) * 3 / 4;
}

static int read_lease(const uint8_t *data, const struct option options[256], struct lease *lease) {
    memcpy(&lease->address, data + YIADDR, sizeof lease->address);
    lease->prefix = read_prefix(&options[MASK], lease->address);
    lease->seconds = ntohl(read_u32(&options[LEASE_TIME], 0));
    if (!is_usable(lease->address) || !is_a_hosts(lease->address, lease->prefix) || !lease->server || !lease->seconds)
        return -1;
    lease->router = read_address(&options[ROUTER], 0);
    if (lease->router == lease->address)
        lease->router = 0;
    for (size_t index = 0; index < DHCP_NAME_SERVERS; index++) {
        uint32_t server = read_address(&options[NAME_SERVER], index);
        if (server)
            lease->name_servers[lease->name_server_count++] = server;
    }
    read_domain(&options[DOMAIN], lease->domain);
    const struct option *mtu = &options[MTU];
    lease->mtu = mtu->size == 2 ? (uint16_t)(mtu->data[0] << 8 | mtu->data[1]) : 0;
    if (lease->mtu < LEAST_MTU)
        lease->mtu = 0;
    read_times(options, lease);
    return 0;
}

int dhcp_read(const uint8_t *data, size_t size, const struct dhcp_request *request, struct lease *lease) {
    struct option options[256] = {{NULL, 0}};
    uint32_t xid = htonl(request->xid);
    memset(lease, 0, sizeof *lease);
    if (size < OPTIONS || data[0] != BOOTREPLY || data[1] != ETHERNET || data[2] != MAC_SIZE || memcmp(data + XID, &xid, sizeof xid) ||
        memcmp(data + CHADDR, request->mac, MAC_SIZE) || memcmp(data + COOKIE, cookie, sizeof cookie))
        return 0;
    collect(data + OPTIONS, size - OPTIONS, options);
    uint8_t overload = options[OVERLOAD].size == 1 ? options[OVERLOAD].data[0] : 0;
    if (overload & 1)
        collect(data + FILE_NAME, COOKIE - FILE_NAME, options);
    if (overload & 2)
        collect(data + SNAME, FILE_NAME - SNAME, options);
    uint8_t type = options[TYPE].size == 1 ? options[TYPE].data[0] : 0;
    lease->server = read_address(&options[SERVER], 0);
    if (type == DHCP_NAK)
        return type;
    return (type == DHCP_OFFER || type == DHCP_ACK) && read_lease(data, options, lease) == 0 ? type : 0;
}

// SPDX-License-Identifier: GPL-3.0-or-later
/* Messages of DHCPv4 (RFC 2131, options of RFC 2132): made, and taken apart. Addresses are in the order of the network; 0: there is none. */
#ifndef DHCP_MESSAGE_H
#define DHCP_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define DHCP_MESSAGE_SIZE 576 /* what everybody can take; more than any of ours */
#define DHCP_FOR_EVER UINT32_MAX
#define DHCP_NAME_SERVERS 3 /* as many as a resolver asks */

enum dhcp_type { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5, DHCP_NAK = 6 };

struct dhcp_request {
    enum dhcp_type type;
    uint32_t xid;
    uint16_t seconds; /* since the client began */
    uint8_t mac[6];
    uint32_t own;               /* the address that the client has already */
    uint32_t requested, server; /* the address that it was offered, and by whom */
    const char *hostname;
};

struct lease {
    uint32_t address, server, router;
    uint8_t prefix;
    uint32_t name_servers[DHCP_NAME_SERVERS];
    size_t name_server_count;
    char domain[254];                /* "" or letters, digits, dots, hyphens, underscores */
    uint16_t mtu;                    /* 0: not said */
    uint32_t seconds, renew, rebind; /* in this order, from the longest to the shortest: seconds, rebind, renew; or DHCP_FOR_EVER */
};

/* Its size. */
size_t dhcp_write(const struct dhcp_request *request, uint8_t data[DHCP_MESSAGE_SIZE]);

/* The type of a reply to `request`, of which all is filled in that counts for its type; 0 for whatever else arrives, and for what nobody could use. */
int dhcp_read(const uint8_t *data, size_t size, const struct dhcp_request *request, struct lease *lease);

#endif

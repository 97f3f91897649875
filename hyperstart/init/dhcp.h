// SPDX-License-Identifier: GPL-3.0-or-later
/* A DHCPv4 client (RFC 2131, 4.4) for one interface, which is up. It asks until it has a lease, keeps that, and asks anew when it is lost. */
#ifndef DHCP_H
#define DHCP_H

#include "dhcp_message.h"
#include "error.h"
#include "loop.h"

#include <stdbool.h>

enum dhcp_state { DHCP_SELECTING, DHCP_REQUESTING, DHCP_BOUND, DHCP_RENEWING, DHCP_REBINDING };

struct dhcp {
    unsigned interface;
    char hostname[64];
    enum dhcp_state state;
    struct dhcp_request request; /* the last one */
    struct lease lease;          /* what it has, or was offered */
    unsigned tries;
    uint64_t begun, sent, granted; /* monotonic milliseconds */
    struct source source;
    struct timer timer;
    /* It has a lease, the same as before or another; or, with the reason, it has none any more: `former` is what it had. */
    void (*changed)(struct dhcp *client, const struct lease *former, const char *lost);
};

/* The rest of `client` is zeroed. */
int dhcp_start(struct dhcp *client, unsigned interface, const uint8_t mac[6], const char *hostname, struct error *error);
bool dhcp_has_lease(const struct dhcp *client);

#endif

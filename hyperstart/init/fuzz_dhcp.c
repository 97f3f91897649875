// SPDX-License-Identifier: GPL-3.0-or-later
/* Any bytes as an answer to a DHCP client, who asked with the transaction and the address that they name. */
#include "dhcp_message.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dhcp_request request = {.hostname = ""};
    struct lease lease;
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    if (size >= 34) {
        memcpy(&request.xid, data + 4, sizeof request.xid);
        request.xid = ntohl(request.xid);
        memcpy(request.mac, data + 28, sizeof request.mac);
    }
    int type = dhcp_read(copy, size, &request, &lease);
    /* What is believed is usable. */
    if ((type == DHCP_OFFER || type == DHCP_ACK) &&
        (!lease.address || !lease.prefix || lease.prefix > 32 || !lease.seconds || lease.renew > lease.rebind || lease.rebind > lease.seconds ||
         lease.name_server_count > DHCP_NAME_SERVERS || memchr(lease.domain, '\n', sizeof lease.domain) || !memchr(lease.domain, 0, sizeof lease.domain)))
        abort();
    free(copy);
    return 0;
}

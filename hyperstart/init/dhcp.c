// SPDX-License-Identifier: GPL-3.0-or-later
#include "dhcp.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define CLIENT_PORT 68
#define SERVER_PORT 67
#define SHORTEST_WAIT_MS 1000
#define LONGEST_WAIT_MS 32000
#define MOST_REQUESTS 4
#define SHORTEST_RENEWAL_MS 2000

bool dhcp_has_lease(const struct dhcp *client) { return client->state >= DHCP_BOUND; }

static void new_exchange(struct dhcp *client) {
    getrandom(&client->request.xid, sizeof client->request.xid, GRND_NONBLOCK);
    client->begun = monotonic_ms();
    client->tries = 0;
}

/* What cannot be sent now is sent again. */
static void send_request(struct dhcp *client) {
    uint8_t data[DHCP_MESSAGE_SIZE];
    struct dhcp_request *request = &client->request;
    bool has = dhcp_has_lease(client), asks = client->state == DHCP_REQUESTING;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(SERVER_PORT)};
    to.sin_addr.s_addr = client->state == DHCP_RENEWING ? client->lease.server : INADDR_BROADCAST;
    client->sent = monotonic_ms();
    uint64_t seconds = (client->sent - client->begun) / 1000;
    request->seconds = (uint16_t)(seconds > UINT16_MAX ? UINT16_MAX : seconds);
    request->type = client->state == DHCP_SELECTING ? DHCP_DISCOVER : DHCP_REQUEST;
    request->own = has ? client->lease.address : 0;
    request->requested = asks ? client->lease.address : 0;
    request->server = asks ? client->lease.server : 0;
    sendto(client->source.fd, data, dhcp_write(request, data), MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
}

static void go_on(struct timer *timer);

static void select_anew(struct dhcp *client, uint64_t wait) {
    client->state = DHCP_SELECTING;
    new_exchange(client);
    timer_set(&client->timer, wait, go_on);
}

static void lose(struct dhcp *client, const char *reason) {
    struct lease former = client->lease;
    select_anew(client, SHORTEST_WAIT_MS);
    client->changed(client, &former, reason);
}

/* Twice as long each time, and a little by chance, so that not all who were started together ask together. */
static uint64_t patience(unsigned tries) {
    uint64_t wait = tries < 6 ? (uint64_t)SHORTEST_WAIT_MS << tries : LONGEST_WAIT_MS;
    uint8_t chance = 0;
    getrandom(&chance, sizeof chance, GRND_NONBLOCK);
    return (wait > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait) + chance;
}

/* Asks for more time: its own server, then anybody, each time after half of what is left. */
static void renew(struct dhcp *client) {
    uint64_t now = monotonic_ms(), age = now - client->granted;
    uint64_t rebind = (uint64_t)client->lease.rebind * 1000, end = (uint64_t)client->lease.seconds * 1000;
    if (age >= end) {
        lose(client, "expired");
        return;
    }
    if (client->state == DHCP_BOUND)
        new_exchange(client);
    client->state = age >= rebind ? DHCP_REBINDING : DHCP_RENEWING;
    send_request(client);
    uint64_t left = (client->state == DHCP_RENEWING ? rebind : end) - age, wait = left / 2;
    if (wait < SHORTEST_RENEWAL_MS)
        wait = left < SHORTEST_RENEWAL_MS ? left : SHORTEST_RENEWAL_MS;
    timer_set(&client->timer, wait, go_on);
}

static void go_on(struct timer *timer) {
    struct dhcp *client = containing(timer, struct dhcp, timer);
    if (client->state >= DHCP_BOUND) {
        renew(client);
        return;
    }
    if (client->state == DHCP_REQUESTING && client->tries == MOST_REQUESTS) {
        client->state = DHCP_SELECTING;
        new_exchange(client);
    }
    send_request(client);
    timer_set(&client->timer, patience(client->tries++), go_on);
}

static void bind_lease(struct dhcp *client, const struct lease *lease) {
    struct lease former = client->lease;
    bool had = dhcp_has_lease(client);
    client->lease = *lease;
    client->state = DHCP_BOUND;
    client->granted = client->sent;
    timer_clear(&client->timer);
    if (lease->seconds != DHCP_FOR_EVER) {
        uint64_t age = monotonic_ms() - client->granted, renewal = (uint64_t)lease->renew * 1000;
        timer_set(&client->timer, age < renewal ? renewal - age : 0, go_on);
    }
    client->changed(client, had ? &former : NULL, NULL);
}

static void answered(struct dhcp *client, int type, const struct lease *lease) {
    bool own = lease->server == client->lease.server;
    switch (client->state) {
    case DHCP_SELECTING:
        if (type == DHCP_OFFER) {
            client->lease = *lease;
            client->state = DHCP_REQUESTING;
            client->tries = 0;
            go_on(&client->timer);
        }
        break;
    case DHCP_REQUESTING:
        if (type == DHCP_ACK && own && lease->address == client->lease.address)
            bind_lease(client, lease);
        else if (type == DHCP_NAK && own)
            select_anew(client, SHORTEST_WAIT_MS);
        break;
    case DHCP_RENEWING:
    case DHCP_REBINDING:
        if (client->state == DHCP_RENEWING && !own)
            break;
        if (type == DHCP_ACK && lease->address == client->lease.address)
            bind_lease(client, lease);
        else if (type == DHCP_NAK)
            lose(client, "refused");
        break;
    case DHCP_BOUND:
        break; /* nothing was asked */
    }
}

static void messages_ready(struct source *source, uint32_t events) {
    struct dhcp *client = containing(source, struct dhcp, source);
    uint8_t data[1500];
    struct lease lease;
    ssize_t got;
    (void)events;
    while ((got = recv(source->fd, data, sizeof data, 0)) >= 0) {
        int type = dhcp_read(data, (size_t)got, &client->request, &lease);
        if (type)
            answered(client, type, &lease);
    }
}

int dhcp_start(struct dhcp *client, unsigned interface, const uint8_t mac[6], const char *hostname, struct error *error) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(CLIENT_PORT)};
    char name[IF_NAMESIZE] = "";
    int on = 1;
    client->interface = interface;
    snprintf(client->hostname, sizeof client->hostname, "%s", hostname);
    client->request.hostname = client->hostname;
    memcpy(client->request.mac, mac, sizeof client->request.mac);
    client->source = (struct source){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .ready = messages_ready};
    int fd = client->source.fd;
    /* Bound to the interface, so that nothing from within the pod gets here: that comes by loopback. */
    if (fd < 0 || !if_indextoname(interface, name) || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0 ||
        loop_watch(&client->source, EPOLLIN) < 0)
        return fail_errno(error, "DHCP on %s", name);
    new_exchange(client);
    go_on(&client->timer);
    return 0;
}

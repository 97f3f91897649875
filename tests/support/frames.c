// SPDX-License-Identifier: GPL-3.0-or-later
// Holds the other ends of taps, as QEMU does: `frames TAP...` sends the lines "TAP HEX" of its standard input, one after the other, and after each says
// what comes out of whom: "TAP HEX", for frames of the ethertype 88b5 alone (IEEE 802, for experiments), with a tag or without; then "-".
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QUIET_MS 150

static int open_tap(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 ? fd : -1;
}

static int wanted(const unsigned char *frame, ssize_t size) {
    int tagged = size > 18 && frame[12] == 0x81 && frame[13] == 0;
    return size > 14 && frame[12 + 4 * tagged] == 0x88 && frame[13 + 4 * tagged] == 0xb5;
}

int main(int argc, char **argv) {
    struct pollfd taps[8];
    char name[40], hex[400];
    unsigned char frame[2000];
    int count = argc - 1 > 8 ? 8 : argc - 1;
    for (int index = 0; index < count; index++) {
        taps[index] = (struct pollfd){.fd = open_tap(argv[index + 1]), .events = POLLIN};
        if (taps[index].fd < 0)
            return perror(argv[index + 1]), 1;
    }
    // A tap carries frames a moment after somebody holds it: the line that the caller sends first is when it may begin.
    while (scanf("%39s %399s", name, hex) == 2) {
        size_t size = strlen(hex) / 2;
        for (size_t at = 0; at < size; at++)
            sscanf(hex + 2 * at, "%2hhx", &frame[at]);
        for (int index = 0; index < count; index++)
            if (!strcmp(argv[index + 1], name) && write(taps[index].fd, frame, size) != (ssize_t)size)
                return perror(name), 1;
        while (poll(taps, (nfds_t)count, QUIET_MS) > 0)
            for (int index = 0; index < count; index++) {
                ssize_t got = read(taps[index].fd, frame, sizeof frame);
                if (!wanted(frame, got))
                    continue;
                printf("%s ", argv[index + 1]);
                for (ssize_t at = 0; at < got; at++)
                    printf("%02x", frame[at]);
                puts("");
            }
        puts("-");
        fflush(stdout);
    }
    return 0;
}

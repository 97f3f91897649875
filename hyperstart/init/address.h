// SPDX-License-Identifier: GPL-3.0-or-later
/* Network addresses as text and as the kernel takes them. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
    int family; /* AF_INET, AF_INET6 */
    uint8_t bytes[16];
    size_t size; /* 4 or 16 */
    uint8_t prefix;
};

/* Without a prefix the whole address is meant. */
int address_parse(const char *text, bool with_prefix, struct address *address);
int mac_parse(const char *text, uint8_t mac[6]);
/* `size` bytes of two digits each, of either case. */
int hexadecimal_parse(const char *digits, uint8_t *bytes, size_t size);

#endif

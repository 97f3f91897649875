// SPDX-License-Identifier: GPL-3.0-or-later
#include "address.h"

#include <arpa/inet.h>
#include <string.h>

static int decimal(const char *text, unsigned limit) {
    unsigned value = 0;
    if (!*text || strlen(text) > 3)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        value = value * 10 + (unsigned)(*text - '0');
    }
    return value <= limit ? (int)value : -1;
}

int address_parse(const char *text, bool with_prefix, struct address *address) {
    char host[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "/");
    if (length >= sizeof host || (text[length] == '/') != with_prefix)
        return -1;
    memcpy(host, text, length);
    host[length] = 0;

    address->family = strchr(host, ':') ? AF_INET6 : AF_INET;
    address->size = address->family == AF_INET ? 4 : 16;
    if (inet_pton(address->family, host, address->bytes) != 1)
        return -1;
    int prefix = with_prefix ? decimal(text + length + 1, (unsigned)address->size * 8) : (int)address->size * 8;
    if (prefix < 0)
        return -1;
    address->prefix = (uint8_t)prefix;
    return 0;
}

static int hexadecimal(char digit) {
    const char *digits = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit | (digit >= 'A' ? 0x20 : 0)) : NULL;
    return found ? (int)(found - digits) : -1;
}

int hexadecimal_parse(const char *digits, uint8_t *bytes, size_t size) {
    for (size_t index = 0; index < size; index++, digits += 2) {
        int high = hexadecimal(digits[0]), low = high < 0 ? -1 : hexadecimal(digits[1]);
        if (low < 0)
            return -1;
        bytes[index] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int mac_parse(const char *text, uint8_t mac[6]) {
    if (strlen(text) != 17)
        return -1;
    for (int index = 0; index < 6; index++, text += 3)
        if (hexadecimal_parse(text, &mac[index], 1) < 0 || (index < 5 && text[2] != ':'))
            return -1;
    return 0;
}

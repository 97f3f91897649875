// SPDX-License-Identifier: GPL-3.0-or-later
#include "frame.h"

#include "control.h"
#include "fields.h"

#include <string.h>

static uint32_t checksum(const uint8_t *header, const uint8_t *payload, size_t size) { return crc32(crc32(0, header + 2, 10), payload, size); }

size_t frame_next(uint8_t *data, size_t size, struct frame *frame, bool *found) {
    size_t at = 0;
    *found = false;
    for (; at < size; at++) {
        uint8_t *start = memchr(data + at, FRAME_MAGIC & 0xFF, size - at);
        if (!start)
            return size;
        at = (size_t)(start - data);
        size_t left = size - at;
        if (left >= 2 && get_u16(start) != FRAME_MAGIC)
            continue;
        if (left < FRAME_HEADER_SIZE)
            break;
        size_t length = get_u32(start + 8);
        if (start[3] || length > FRAME_MAX_PAYLOAD)
            continue;
        if (left < FRAME_HEADER_SIZE + length)
            break;
        if (checksum(start, start + FRAME_HEADER_SIZE, length) != get_u32(start + 12))
            continue;
        *frame = (struct frame){.type = start[2], .id = get_u32(start + 4), .payload = start + FRAME_HEADER_SIZE, .size = length};
        *found = true;
        return at + FRAME_HEADER_SIZE + length;
    }
    return at;
}

void frame_seal(uint8_t *data, uint8_t type, uint32_t id, size_t payload_size) {
    put_u16(data, FRAME_MAGIC);
    data[2] = type;
    data[3] = 0;
    put_u32(data + 4, id);
    put_u32(data + 8, (uint32_t)payload_size);
    put_u32(data + 12, checksum(data, data + FRAME_HEADER_SIZE, payload_size));
}

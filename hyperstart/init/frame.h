// SPDX-License-Identifier: GPL-3.0-or-later
/* The control ports' frames: `magic u16, type u8, flags u8, id u32, length u32, crc32 u32, payload`. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
    uint8_t type;
    uint32_t id;
    uint8_t *payload;
    size_t size;
};

/*
 * Looks for a frame in what has arrived. Returns how many bytes are done with: noise, and the frame if one was found (then its payload lies in them).
 * When none was found, what is left is the possible beginning of one.
 */
size_t frame_next(uint8_t *data, size_t size, struct frame *frame, bool *found);

/* Writes the header in front of a payload that is already in its place: FRAME_HEADER_SIZE bytes behind `data`. */
void frame_seal(uint8_t *data, uint8_t type, uint32_t id, size_t payload_size);

#endif

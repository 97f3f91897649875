// SPDX-License-Identifier: GPL-3.0-or-later
/* Any bytes as what arrives on a control port, in one piece and after a sealed frame: the frame has to be found, whatever follows. */
#include "control.h"
#include "fields.h"
#include "frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_all(uint8_t *data, size_t size) {
    size_t frames = 0;
    struct frame frame;
    for (bool found = true; found;) {
        size_t done = frame_next(data, size, &frame, &found);
        if (done > size || (found && frame.payload + frame.size != data + done))
            abort();
        frames += found;
        data += done;
        size -= done;
    }
    return frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > FRAME_MAX_PAYLOAD)
        return 0;
    uint8_t *copy = malloc(size ? size : 1), *sealed = malloc(FRAME_HEADER_SIZE + 2 * size + 1);
    if (size) {
        memcpy(copy, data, size);
        memcpy(sealed + FRAME_HEADER_SIZE, data, size);
        memcpy(sealed + FRAME_HEADER_SIZE + size, data, size);
    }
    read_all(copy, size);
    frame_seal(sealed, FRAME_STDIN, 7, size);
    if (read_all(sealed, FRAME_HEADER_SIZE + 2 * size) < 1)
        abort();
    free(copy);
    free(sealed);
    return 0;
}

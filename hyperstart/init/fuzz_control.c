// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Any requests of a client, from the port's own reader on, to a pod that is not there: what they say is read whole before it is missed. The input is
 * requests `type u8, id u8, length u16, payload`, which are sealed as frames; one of the type ENTRY is an entry of a tree of files.
 */
#include "port.c" /* NOLINT: the reader is its own */
#include "transfer.h"

#define ENTRY 255
#define REQUEST_SIZE 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_entry(const uint8_t *data, size_t size) {
    struct arena arena = {NULL};
    struct error error;
    /* Copies of just their sizes, so that a step beyond them is seen. */
    uint8_t *fields = malloc(size ? size : 1);
    void *entry = calloc(1, tree_entry_form.size);
    if (size)
        memcpy(fields, data, size);
    form_parse(&tree_entry_form, fields, size, entry, &arena, &error);
    arena_free(&arena);
    free(entry);
    free(fields);
}

static void serve_one(struct port *port, uint8_t type, uint32_t id, const uint8_t *payload, size_t size) {
    port->in = malloc(FRAME_HEADER_SIZE + size);
    if (size)
        memcpy(port->in + FRAME_HEADER_SIZE, payload, size);
    frame_seal(port->in, type, id, size);
    port->in_end = FRAME_HEADER_SIZE + size;
    serve_some(port);
    if (port->in_end)
        abort();
    free(port->in);
    port->in = NULL;
    port->out_begin = port->out_end = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct port port = {.source = {.fd = -1}};
    pod.phase = POD_STOPPING;
    if (!port.out)
        port.out = malloc(OUT_SIZE);
    while (size >= REQUEST_SIZE) {
        size_t length = get_u16(data + 2);
        uint8_t type = data[0];
        uint32_t id = data[1];
        data += REQUEST_SIZE;
        size -= REQUEST_SIZE;
        length = length < size ? length : size;
        if (type == ENTRY)
            read_entry(data, length);
        else if (type != FRAME_SAMPLE) /* one number; the answer takes long, and depends on this machine instead of the input */
            serve_one(&port, type, id, data, length);
        data += length;
        size -= length;
    }
    sessions_abandon(&port);
    return 0;
}

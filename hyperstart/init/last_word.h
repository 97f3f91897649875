// SPDX-License-Identifier: GPL-3.0-or-later
/* What a container says of its end: a file that it finds at a path of the plan's, or the end of its output. */
#ifndef LAST_WORD_H
#define LAST_WORD_H

#include "launch_plan.h"

#include <sys/types.h>

#define LAST_WORD_LIMIT 4096    /* of one container, in bytes, as the kubelet has it */
#define LAST_WORDS_LIMIT 12288  /* of all together */
#define LAST_WORD_TAIL 2048     /* what is taken of the output */
#define LAST_WORD_TAIL_LINES 80 /* and how many lines of it */

/* The last bytes of a container's output. */
struct tail {
    char data[LAST_WORD_TAIL];
    size_t size;
};
void tail_add(struct tail *tail, const char *data, size_t size);

/* In a container's new mount namespace: puts an empty file in its place. */
int last_word_mount(const struct container_plan *container, int root, struct error *error);
/* What it holds by now, at most `limit` bytes from its end; or what `tail` does, where the plan says so and the container failed. */
void last_word_read(const struct container_plan *container, bool failed, const struct tail *tail, char *text, size_t limit);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
/* A pod that runs is brought to a newer plan, while all that the plan leaves alone goes on. */
#ifndef UPDATE_H
#define UPDATE_H

#include "error.h"
#include "fields.h"

#include <stdbool.h>

struct update {
    struct texts replaced, retuned; /* names of containers */
    bool rollback;
    struct bytes secrets; /* what came before it: the values that the newer plan leaves out */
};

extern const struct form update_form;

/* Either it is carried out or nothing is changed. What it has begun goes on when it returns: containers end, and others are started. */
int pod_update(const struct update *update, struct error *error);

#endif

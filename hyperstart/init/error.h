// SPDX-License-Identifier: GPL-3.0-or-later
/* What went wrong, in words for the pod's owner. Functions that can fail return -1 and fill it in; they return 0 otherwise. */
#ifndef ERROR_H
#define ERROR_H

struct error {
    char text[512];
};

/* Both return -1, so that a caller can write `return fail(...)`. fail_errno adds what errno says. */
__attribute__((format(printf, 2, 3))) int fail(struct error *error, const char *format, ...);
__attribute__((format(printf, 2, 3))) int fail_errno(struct error *error, const char *format, ...);

#endif

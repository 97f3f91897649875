// SPDX-License-Identifier: GPL-3.0-or-later
/* A tree of files as a stream of entries (docs/wire.md): out of a container, and into one. */
#ifndef TRANSFER_H
#define TRANSFER_H

/*
 * Both run in a process of their own, inside the container, and return its exit code: 0, or 1 when something was left out, which stderr says.
 * tree_send: argv[0] to stdout. tree_receive: stdin to argv[0], or, where that is a directory and argv[1] is a name, to that name in it.
 */
struct form;
/* What an entry says, for those who try the reader. */
extern const struct form tree_entry_form;

int tree_send(char *const *argv);
int tree_receive(char *const *argv);

#endif

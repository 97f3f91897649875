// SPDX-License-Identifier: GPL-3.0-or-later
/* Files: small whole ones, and paths inside a tree that somebody else wrote. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Closes at the end of the scope. */
#define CLOSING __attribute__((cleanup(close_at_end))) int
#define FREEING __attribute__((cleanup(free_at_end))) char *
void close_at_end(int *fd);
void free_at_end(char **memory);

/* The whole of a small file at `directory` (or AT_FDCWD), with a NUL behind it; NULL when it cannot be had or is no regular file below `limit` bytes. */
char *file_read(int directory, const char *path, size_t limit, size_t *size);
int file_write(const char *path, const void *data, size_t size);
/* A word of /sys or /proc without its newline; 0 or -1. */
int word_read(const char *path, char *word, size_t size);
int word_write(const char *path, const char *word);

/* Like mkdir -p. */
int directories_make(const char *path, mode_t mode);

/* Like rm -rf of `name` in the directory `parent`; links are not followed. */
int tree_remove(int parent, const char *name);

/*
 * Opens (O_PATH) what `path` means to somebody whose / is `root`: links and .. stay within. When `make` is set, missing directories are made; a last
 * component that is missing becomes a directory or, for `make == MAKE_FILE`, an empty file; with
 * MAKE_ALIKE directories have the mode of `root`, whatever the umask, so that who may write there may write in them.
 */
enum make { MAKE_NOTHING, MAKE_DIRECTORY, MAKE_ALIKE, MAKE_FILE };
int path_open(int root, const char *path, enum make make);

#endif

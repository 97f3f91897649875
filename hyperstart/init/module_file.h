// SPDX-License-Identifier: GPL-3.0-or-later
/* What of a kernel module's file is for somebody else than a guest's kernel, and would only make its loading longer. */
#ifndef MODULE_FILE_H
#define MODULE_FILE_H

#include <stddef.h>

/* The size of the file without the signature at its end; `size` where it has none. */
size_t module_unsigned_size(const char *data, size_t size);
/* Takes out of an ELF file for x86-64 what tracing, debugging and a change of the number of processors would use; leaves all others as they are. */
void module_trim(char *data, size_t size);

#endif

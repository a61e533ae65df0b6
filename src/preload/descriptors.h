/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptors of the preload library in the program's way.
 *
 * libmemkind looks at a descriptor before it uses it, and goes on without it where it is gone
 * (os/descriptor.h). But a heap that cannot grow is the end of most programs. So for calls of
 * libc that close or replace a number, the heap's file and the page of numbers are not there: to
 * close them is an error, as it is for a number that is not open, and whoever wants their number
 * gets it, since they move away.
 */
#pragma once

/* That of the page of numbers; -1 where there is none. */
extern int descriptors_page;

/* In the child of a fork, where the numbers are its own. */
void descriptors_begin_child(void);

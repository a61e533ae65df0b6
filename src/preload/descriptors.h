/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The preload library's descriptors in a program that closes or replaces descriptors.
 *
 * libmemkind checks a descriptor before use, and goes on without it if it is gone
 * (os/descriptor.h). But most programs fail if their heap cannot grow. Therefore libc's calls that
 * close or replace a number do not find the heap's file and the page of numbers: closing them is an
 * error, as for a number that is not open. If a program requests their number, they move to another
 * one.
 */
#pragma once

#include <stdbool.h>

/* The descriptor of the page of numbers; -1: there is none. */
extern int descriptors_page;

/* In the child of a fork, whose numbers are its own. */
void descriptors_begin_child(void);

/*
 * Returns whether the calling process has this memory to itself: false in a child of vfork(2).
 */
bool descriptors_are_own_process(void);

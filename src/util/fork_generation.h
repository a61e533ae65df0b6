/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Number of forks between the first process and this one. An object that was created under another
 * number belongs to an ancestor. Changes only in the child of a fork, while the child has one
 * thread.
 */
#pragma once

extern unsigned fork_generation;

/*
 * For variables that every fork writes to. They lie together, so that the kernel copies one page
 * for all of them in the parent, and one in the child.
 */
#define FORK_DATA __attribute__((section("memkind_fork")))

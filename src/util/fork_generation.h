/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How often this process's line has forked: what was made under another number was made by an
 * ancestor, and belongs to it. Changes in the child of a fork only, which has one thread then.
 */
#pragma once

extern unsigned fork_generation;

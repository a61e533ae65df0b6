/* SPDX-License-Identifier: BSD-2-Clause */
/* Marks functions that replace those of libc and of other allocators. */
#pragma once

#define EXPORT __attribute__((visibility("default")))

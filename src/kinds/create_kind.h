/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of the library by the properties of their memory. */
#pragma once

#include "memkind.h"

/* As memkind_create_kind(). */
int create_kind(memkind_memtype_t memtype_flags, memkind_policy_t policy, memkind_bits_t flags,
                memkind_t *kind);

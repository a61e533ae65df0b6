/* SPDX-License-Identifier: BSD-2-Clause */
/* operators.cpp with operators new and delete of the program, which all other forms must call. */
#define REPLACED
#include "operators.cpp" /* NOLINT(bugprone-suspicious-include) */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same with operators new and delete of the program's own, which all other forms are to call.
 */
#define REPLACED
#include "operators.cpp" /* NOLINT(bugprone-suspicious-include) */

/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens to the kinds when the process forks. */
#pragma once

/* Registers the handlers; once, after jemalloc has registered its own. */
void fork_handlers_install(void);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library that needs the plugin, which therefore starts before whatever this one is loaded with.
 */
extern char *plugin_greet(const char *name);

char *(*const needs_plugin)(const char *name) = plugin_greet;

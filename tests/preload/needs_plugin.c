/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library that needs the plugin: the plugin's constructors then run before those of libraries
 * that are loaded with this one.
 */
extern char *plugin_greet(const char *name);

char *(*const needs_plugin)(const char *name) = plugin_greet;

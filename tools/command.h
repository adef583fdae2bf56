/* The subcommands of `zok`. Each gets argv[0] = its own name, and returns the process's exit code: ZOK_EXIT_USAGE for options that it refused. */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

enum { ZOK_EXIT_OK = 0, ZOK_EXIT_FAILED = 1, ZOK_EXIT_USAGE = 2 };

int zok_command_doctor(int argc, char **argv);
int zok_command_perf(int argc, char **argv);
int zok_command_pin(int argc, char **argv);
int zok_command_topo(int argc, char **argv);
int zok_command_top(int argc, char **argv);

#endif

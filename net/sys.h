/*
 * The system calls of net/ that are not on the way of data: making, naming and tuning a socket. Everything else goes through the engine. One
 * file, so that a simulator can own them. All return 0 (or a descriptor) or a negative errno; none blocks.
 */
#ifndef NET_SYS_H
#define NET_SYS_H

#include "net/address.h"

#include <sys/types.h>

enum { ZOK__SYS_CLAIM_SIZE = 128 }; /* a socket's path and what is added */

/* A file's identity: what it is, whatever its name is by now. */
struct zok__sys_file {
	dev_t device;
	ino_t inode;
};

/* A stream socket, close-on-exec, blocking: whether a call waits is the engine's business. */
int zok__sys_socket(int family);
int zok__sys_bind(int fd, const struct zok__address *address);
int zok__sys_listen(int fd, int backlog);
void zok__sys_close(int fd);

/* For a listener whose engine has no op on it: what waits in its backlog (-EAGAIN: nothing), and its end, so that connects are refused. */
int zok__sys_accept_now(int fd);
void zok__sys_shut(int fd);

int zok__sys_option_set(int fd, int level, int name, int value);
int zok__sys_option_get(int fd, int level, int name, int *value);
int zok__sys_local_address(int fd, struct zok__address *address);
int zok__sys_peer_address(int fd, struct zok__address *address);

/* ---- sys_dgram.c ---- */

int zok__sys_dgram_socket(int family);
int zok__sys_dgram_connect(int fd, const struct zok__address *address); /* names the peer: nothing is sent */
int zok__sys_dgram_probe(const struct zok__address *address);		/* as zok__sys_probe() */
int zok__sys_option_set_struct(int fd, int level, int name, const void *value, size_t size);
void zok__sys_close_on_exec(int fd);
int zok__sys_interface(const char *name); /* its index; -ENODEV */
int zok__sys_multicast_interface(int fd, int family, int index);
int64_t zok__sys_dropped(int fd); /* datagrams for which the socket had no room */
/* Sees to it that the card stamps what it receives. -EOPNOTSUPP: it does not; -ENODEV; -EPERM: it could, and we may not switch it on. */
int zok__sys_card_stamps(int fd, const char *name);

/* ---- sys.c ---- */

/* Close-on-exec, and blocking: io_uring gives -EAGAIN for a descriptor that is not, where we want it to wait. */
int zok__sys_adopt(int fd);

/* Whether somebody listens on a Unix socket's file: 0, -ECONNREFUSED (nobody does), -ENOENT… */
int zok__sys_probe(const struct zok__address *address);
int zok__sys_file_identity(const char *path, struct zok__sys_file *file);

/* The lock on a file beside a socket's. */
struct zok__sys_claim {
	int fd; /* -1: none */
	char path[ZOK__SYS_CLAIM_SIZE];
};

/*
 * The right to bind, and to replace, a socket's file: one holder, of all who may write to the folder, whatever their namespaces. A kill gives it up, and
 * leaves an empty file that is no hindrance. -EADDRINUSE: somebody else has it. Others: it is not to be had here, or nothing is: -ENOENT… of the folder.
 */
int zok__sys_path_claim(const char *path, struct zok__sys_claim *claim);
void zok__sys_path_unclaim(struct zok__sys_claim *claim);

/* Errors of the claim that the bind would meet as well, a moment later; all others are of the lock alone. */
bool zok__sys_claim_is_fatal(int rc);

/* Removes a socket's file if the path still names `file`. */
void zok__sys_unlink_if_same(const char *path, const struct zok__sys_file *file);

#endif

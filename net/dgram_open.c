/* What a datagram socket's options ask of the kernel, and the room that their answers take in a receive buffer. */
#include "net/dgram.h"

#include "core/log.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/udp.h>
#include <string.h>

/* ---- Checks ---- */

static const char *wrong_option(const struct zok_dgram_options *options, bool is_unix)
{
	if (options->send_buffer_size < 0 || options->receive_buffer_size < 0)
		return "buffer sizes: they take 0 (the kernel's) or more";
	if (options->busy_poll_us > 1000000)
		return "busy_poll_us: it takes 0 (the system's) to 1000000";
	if (options->timestamps > ZOK_TIMESTAMPS_HARDWARE)
		return "timestamps: it takes ZOK_TIMESTAMPS_NONE, _SOFTWARE or _HARDWARE";
	if (options->timestamps == ZOK_TIMESTAMPS_HARDWARE && !options->timestamp_interface)
		return "timestamp_interface: hardware timestamps take the name of the card, as in \"eth0\"";
	if (options->fds_max > ZOK_DGRAM_FDS_MAX)
		return "fds_max: it takes 0 to 16";
	if (options->fds_max > 0 && !is_unix)
		return "fds_max: descriptors go over Unix sockets only; it takes 0 for UDP";
	if (is_unix && (options->receive_segments || options->receive_destination || options->broadcast || options->multicast_hops ||
			options->multicast_interface || options->timestamps == ZOK_TIMESTAMPS_HARDWARE))
		return "segments, destinations, broadcast, multicast and hardware timestamps are UDP's; a Unix socket takes none";
	return NULL;
}

int zok__dgram_check_options(const struct zok_dgram_options *options, int family)
{
	const char *wrong = wrong_option(options, family == AF_UNIX);

	if (!wrong)
		return 0;
	zok__log(ZOK_LOG_ERROR, "datagrams: %s", wrong);
	return -EINVAL;
}

/* ---- To the kernel ---- */

static int set_if(int rc, bool is_wanted, int fd, int level, int name, int value)
{
	return rc < 0 || !is_wanted ? rc : zok__sys_option_set(fd, level, name, value);
}

static int set_common(int fd, const struct zok_dgram_options *options)
{
	int rc = 0;

	rc = set_if(rc, options->reuse_address, fd, SOL_SOCKET, SO_REUSEADDR, 1);
	rc = set_if(rc, options->reuse_port, fd, SOL_SOCKET, SO_REUSEPORT, 1);
	rc = set_if(rc, options->send_buffer_size > 0, fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_size);
	rc = set_if(rc, options->receive_buffer_size > 0, fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_size);
	return set_if(rc, options->busy_poll_us > 0, fd, SOL_SOCKET, SO_BUSY_POLL, (int)options->busy_poll_us);
}

static int set_timestamps(int fd, const struct zok_dgram_options *options)
{
	int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, rc = 0;

	if (options->timestamps == ZOK_TIMESTAMPS_NONE)
		return 0;
	if (options->timestamps == ZOK_TIMESTAMPS_HARDWARE) {
		rc = zok__sys_card_stamps(fd, options->timestamp_interface);
		flags |= SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
	}
	if (rc == -EOPNOTSUPP)
		zok__log(ZOK_LOG_ERROR, "datagrams: timestamp_interface \"%s\" stamps no received packets; ethtool -T says what it does",
			 options->timestamp_interface);
	else if (rc == -EPERM)
		zok__log(ZOK_LOG_ERROR, "datagrams: \"%s\" stamps nothing yet; switch it on (hwstamp_ctl -i %s -r 1) or get CAP_NET_ADMIN",
			 options->timestamp_interface, options->timestamp_interface);
	return rc < 0 ? rc : zok__sys_option_set(fd, SOL_SOCKET, SO_TIMESTAMPING, flags);
}

/* A socket hears of the groups that it has joined itself; by default Linux gives it every group of its port that anybody has joined. */
static int set_ipv4(int fd, const struct zok_dgram_options *options)
{
	int rc = zok__sys_option_set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);

	rc = set_if(rc, options->receive_destination, fd, IPPROTO_IP, IP_PKTINFO, 1);
	rc = set_if(rc, options->multicast_hops > 0, fd, IPPROTO_IP, IP_MULTICAST_TTL, options->multicast_hops);
	return set_if(rc, options->without_multicast_loop, fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
}

static int set_ipv6(int fd, const struct zok_dgram_options *options)
{
	int rc = zok__sys_option_set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);

	rc = set_if(rc == -ENOPROTOOPT ? 0 : rc, true, fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only); /* 4.20 has MULTICAST_ALL */
	rc = set_if(rc, options->receive_destination, fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	rc = set_if(rc, options->multicast_hops > 0, fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, options->multicast_hops);
	return set_if(rc, options->without_multicast_loop, fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
}

static int set_interface(int fd, int family, const char *name)
{
	int index = zok__sys_interface(name);

	return index < 0 ? index : zok__sys_multicast_interface(fd, family, index);
}

static int set_udp(int fd, int family, const struct zok_dgram_options *options)
{
	int rc = family == AF_INET ? set_ipv4(fd, options) : set_ipv6(fd, options);

	rc = set_if(rc, options->broadcast, fd, SOL_SOCKET, SO_BROADCAST, 1);
	rc = set_if(rc, options->receive_segments, fd, SOL_UDP, UDP_GRO, 1);
	return rc < 0 || !options->multicast_interface ? rc : set_interface(fd, family, options->multicast_interface);
}

int zok__dgram_set_options(int fd, int family, const struct zok_dgram_options *options)
{
	int rc = set_common(fd, options);

	if (rc == 0)
		rc = set_timestamps(fd, options);
	return rc < 0 || family == AF_UNIX ? rc : set_udp(fd, family, options);
}

/* ---- Rooms ---- */

static size_t control_room(const struct zok_dgram_options *options)
{
	size_t room = 0;

	if (options->timestamps != ZOK_TIMESTAMPS_NONE)
		room += CMSG_SPACE(sizeof(struct scm_timestamping));
	if (options->receive_destination) /* an IPv6 socket that takes IPv4 as well gets both */
		room += CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct in6_pktinfo));
	if (options->receive_segments)
		room += CMSG_SPACE(sizeof(int));
	return room + (options->fds_max > 0 ? CMSG_SPACE(options->fds_max * sizeof(int)) : 0);
}

static socklen_t name_room(int family)
{
	size_t size = family == AF_UNIX ? sizeof(struct sockaddr_un) : sizeof(struct sockaddr_in6);

	return (socklen_t)((size + 7) & ~(size_t)7);
}

void zok__dgram_size_rooms(struct zok_dgram_socket *socket, const struct zok_dgram_options *options)
{
	socket->recv_header.msg_namelen = name_room(socket->family);
	socket->recv_header.msg_controllen = control_room(options);
	socket->layout = zok__dgram_layout(&socket->recv_header);
}

/* ---- Unix files ---- */

static int note_file(struct zok_dgram_socket *socket, const char *path)
{
	memcpy(socket->path, path, strlen(path) + 1);
	return zok__sys_file_identity(path, &socket->file);
}

/* A file that nobody reads from was left by a process that was killed. */
static int remove_stale(const struct zok__address *address, const char *path)
{
	struct zok__sys_file file;
	int rc = zok__sys_file_identity(path, &file);

	if (rc < 0)
		return rc == -EEXIST ? -EADDRINUSE : rc; /* not a socket: never ours to remove */
	if (zok__sys_dgram_probe(address) != -ECONNREFUSED)
		return -EADDRINUSE;
	zok__sys_unlink_if_same(path, &file);
	return 0;
}

/* Under a claim, so that of processes that start at once none removes what another has just bound. */
static int bind_file(struct zok_dgram_socket *socket, const struct zok__address *address, const char *path)
{
	struct zok__sys_claim claim;
	int claimed = zok__sys_path_claim(path, &claim), rc;

	if (zok__sys_claim_is_fatal(claimed))
		return claimed;
	rc = zok__sys_bind(socket->fd, address);
	if (rc == -EADDRINUSE) {
		rc = remove_stale(address, path);
		rc = rc < 0 ? rc : zok__sys_bind(socket->fd, address);
	}
	if (rc == 0)
		rc = note_file(socket, path);
	if (rc == 0 && claimed < 0)
		zok__log(ZOK_LOG_WARN, "bind: %s: no lock on %s: %s: others that start on that path at once could remove its file", path,
			 claim.path, strerror(-claimed));
	zok__sys_path_unclaim(&claim);
	return rc;
}

int zok__dgram_bind(struct zok_dgram_socket *socket, const struct zok__address *address)
{
	const char *path = zok__address_path(address);

	return path ? bind_file(socket, address, path) : zok__sys_bind(socket->fd, address);
}

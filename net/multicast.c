/* Groups: joined and left by the calls of RFC 3678, which are the same for IPv4 and IPv6. */
#include "net/dgram.h"

#include "core/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* A numeric address of the socket's family. */
static int parse(int family, const char *text, struct sockaddr_storage *storage)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)storage;
	void *to = family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr;

	memset(storage, 0, sizeof *storage);
	storage->ss_family = (sa_family_t)family;
	return family != AF_UNIX && text && inet_pton(family, text, to) == 1 ? 0 : -EINVAL;
}

static bool is_multicast(const struct sockaddr_storage *storage)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)storage;

	return storage->ss_family == AF_INET ? IN_MULTICAST(ntohl(in->sin_addr.s_addr)) : IN6_IS_ADDR_MULTICAST(&in6->sin6_addr);
}

static int refuse(const char *what, const char *text, const char *takes)
{
	zok__log(ZOK_LOG_ERROR, "multicast: %s \"%s\": it takes %s", what, text ? text : "", takes);
	return -EINVAL;
}

static int change(struct zok_dgram_socket *socket, const char *group, const char *source, const char *interface, int any, int one)
{
	struct group_source_req request = {0};
	struct group_req plain = {0};
	bool is_ipv4 = socket->family == AF_INET;
	int level = is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6, index = 0;

	if (zok__dgram_is_foreign(socket))
		return -EXDEV;
	if (socket->closer)
		return -EBADF;
	if (parse(socket->family, group, &request.gsr_group) < 0 || !is_multicast(&request.gsr_group))
		return refuse("group", group, is_ipv4 ? "224.0.0.0 to 239.255.255.255" : "an address of ff00::/8, on a UDP socket of IPv6");
	if (source && parse(socket->family, source, &request.gsr_source) < 0)
		return refuse("source", source, is_ipv4 ? "a numeric IPv4 address" : "a numeric IPv6 address");
	if (interface)
		index = zok__sys_interface(interface);
	if (index < 0)
		return index;
	if (source) {
		request.gsr_interface = (uint32_t)index;
		return zok__sys_option_set_struct(socket->fd, level, one, &request, sizeof request);
	}
	plain.gr_interface = (uint32_t)index;
	plain.gr_group = request.gsr_group;
	return zok__sys_option_set_struct(socket->fd, level, any, &plain, sizeof plain);
}

int zok_dgram_join(struct zok_dgram_socket *socket, const char *group, const char *source, const char *interface)
{
	return change(socket, group, source, interface, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP);
}

int zok_dgram_leave(struct zok_dgram_socket *socket, const char *group, const char *source, const char *interface)
{
	return change(socket, group, source, interface, MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP);
}

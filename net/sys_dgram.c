/* The system calls of datagram sockets that are not on the way of data. */
#include "net/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int result_of(int rc)
{
	return rc < 0 ? -errno : rc;
}

int zok__sys_dgram_socket(int family)
{
	return result_of(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

int zok__sys_dgram_connect(int fd, const struct zok__address *address)
{
	return result_of(connect(fd, (const struct sockaddr *)(const void *)&address->storage, address->len));
}

int zok__sys_dgram_probe(const struct zok__address *address)
{
	int fd = zok__sys_dgram_socket(address->storage.ss_family), rc;

	if (fd < 0)
		return fd;
	rc = zok__sys_dgram_connect(fd, address);
	close(fd);
	return rc;
}

int zok__sys_option_set_struct(int fd, int level, int name, const void *value, size_t size)
{
	return result_of(setsockopt(fd, level, name, value, (socklen_t)size));
}

void zok__sys_close_on_exec(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int zok__sys_interface(const char *name)
{
	unsigned index = strlen(name) < IF_NAMESIZE ? if_nametoindex(name) : 0;

	return index > 0 ? (int)index : -ENODEV;
}

int zok__sys_multicast_interface(int fd, int family, int index)
{
	const struct ip_mreqn request = {.imr_ifindex = index};

	if (family == AF_INET)
		return zok__sys_option_set_struct(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
	return zok__sys_option_set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
}

int64_t zok__sys_dropped(int fd)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof memory;

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &len) < 0 ? -errno : (int64_t)memory[SK_MEMINFO_DROPS];
}

/* ---- The card's clock ---- */

static int ask_interface(int fd, unsigned long call, const char *name, void *data)
{
	struct ifreq request = {.ifr_data = data};

	if (strlen(name) >= IF_NAMESIZE)
		return -ENODEV;
	memcpy(request.ifr_name, name, strlen(name));
	return result_of(ioctl(fd, call, &request));
}

/* Whether all packets are stamped already; if not, that is asked for. It holds for the card, whoever asked. */
static int switch_on(int fd, const char *name)
{
	struct hwtstamp_config config = {0};
	int rc = ask_interface(fd, SIOCGHWTSTAMP, name, &config);

	if (rc == 0 && config.rx_filter == HWTSTAMP_FILTER_ALL)
		return 0;
	config = (struct hwtstamp_config){.tx_type = config.tx_type, .rx_filter = HWTSTAMP_FILTER_ALL};
	rc = ask_interface(fd, SIOCSHWTSTAMP, name, &config);
	return rc == -ERANGE || rc == -EINVAL ? -EOPNOTSUPP : rc;
}

int zok__sys_card_stamps(int fd, const char *name)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};
	int rc = ask_interface(fd, SIOCETHTOOL, name, &info);

	if (rc < 0)
		return rc;
	if (!(info.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE) || !(info.so_timestamping & SOF_TIMESTAMPING_RAW_HARDWARE))
		return -EOPNOTSUPP;
	return switch_on(fd, name);
}

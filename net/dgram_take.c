/* From a receive buffer to what its reader sees: who sent it, control data, and the datagrams that UDP_GRO has put into one. */
#include "net/dgram.h"

#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <string.h>

static uint64_t ns_of(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * ZOK_S + (uint64_t)time->tv_nsec;
}

/* Which of the three stamps is whose: struct scm_timestamping in the kernel's timestamping.rst. */
static void take_stamps(struct zok_datagram *datagram, const struct cmsghdr *control)
{
	struct scm_timestamping stamps;

	memcpy(&stamps, CMSG_DATA(control), sizeof stamps);
	datagram->software_ns = ns_of((const struct timespec *)&stamps.ts[0]);
	datagram->hardware_ns = ns_of((const struct timespec *)&stamps.ts[2]);
}

static void take_fds(struct zok_datagram *datagram, struct cmsghdr *control)
{
	datagram->fds = (int *)(void *)CMSG_DATA(control);
	datagram->fd_count = (unsigned)((control->cmsg_len - CMSG_LEN(0)) / sizeof *datagram->fds);
	for (unsigned i = 0; i < datagram->fd_count; i++) /* 6.18 did so by MSG_CMSG_CLOEXEC; older multishots were not tried */
		zok__sys_close_on_exec(datagram->fds[i]);
}

static void take_ipv4(struct zok_datagram *datagram, const struct cmsghdr *control)
{
	struct in_pktinfo info;

	memcpy(&info, CMSG_DATA(control), sizeof info);
	datagram->interface = (uint32_t)info.ipi_ifindex;
	datagram->to = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
	memcpy(&datagram->to.s6_addr[12], &info.ipi_addr, 4);
}

static void take_ipv6(struct zok_datagram *datagram, const struct cmsghdr *control)
{
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(control), sizeof info);
	datagram->interface = info.ipi6_ifindex;
	datagram->to = info.ipi6_addr;
}

static void take_control(struct zok_datagram *datagram, struct cmsghdr *control, size_t *segment_size)
{
	int size;

	if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPING) {
		take_stamps(datagram, control);
	} else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) {
		take_fds(datagram, control);
	} else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
		take_ipv4(datagram, control);
	} else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
		take_ipv6(datagram, control);
	} else if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
		memcpy(&size, CMSG_DATA(control), sizeof size);
		*segment_size = size > 0 ? (size_t)size : 0;
	}
}

static size_t take_all_control(const struct zok_dgram_socket *socket, struct zok_datagram *datagram, const struct zok__dgram_head *head)
{
	struct msghdr header = {.msg_control = datagram->buffer->data + socket->layout.control_at, .msg_controllen = head->control_len};
	size_t segment_size = 0;

	if (header.msg_controllen > socket->recv_header.msg_controllen)
		header.msg_controllen = socket->recv_header.msg_controllen;
	for (struct cmsghdr *control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(&header, control))
		take_control(datagram, control, &segment_size);
	return segment_size;
}

static void take_sender(const struct zok_dgram_socket *socket, struct zok_datagram *datagram, const struct zok__dgram_head *head)
{
	uint32_t room = socket->recv_header.msg_namelen;

	datagram->from = (const struct sockaddr *)(const void *)(datagram->buffer->data + socket->layout.name_at);
	datagram->from_len = head->name_len < room ? head->name_len : room;
	if (datagram->from_len <= sizeof(sa_family_t)) /* a Unix socket without a name */
		datagram->from_len = 0;
}

static void count(const struct zok_dgram_socket *socket, const struct zok_datagram *datagram)
{
	struct zok_core_stats *stats = &socket->net->core->counters->stats;

	zok__count(&stats->datagrams_received, 1);
	zok__count(&stats->bytes_received, datagram->len);
	if (ZOK_UNLIKELY(datagram->len < datagram->len_sent))
		zok__count(&stats->datagrams_cut, 1);
}

bool zok__dgram_read(struct zok_dgram_socket *socket, struct zok_datagram *datagram)
{
	struct zok_buf *buf = datagram->buffer;
	const struct zok__dgram_head *head = (const struct zok__dgram_head *)(const void *)buf->data;
	size_t room = buf->len - socket->layout.payload_at, segment_size;
	size_t here = head->payload_len < room ? head->payload_len : room;
	bool is_last;

	*datagram = (struct zok_datagram){.buffer = buf, .data = buf->data + socket->layout.payload_at + socket->split_offset};
	take_sender(socket, datagram, head);
	segment_size = take_all_control(socket, datagram, head);
	datagram->is_control_cut = head->flags & MSG_CTRUNC;
	datagram->len = here - socket->split_offset;
	datagram->len_sent = head->payload_len - socket->split_offset;
	is_last = segment_size == 0 || datagram->len <= segment_size;
	if (!is_last)
		datagram->len = datagram->len_sent = segment_size;
	socket->split_offset += (uint32_t)datagram->len;
	count(socket, datagram);
	return is_last;
}

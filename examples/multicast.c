/*
 * A multicast listener and sender:
 *
 *	multicast --listen udp://239.1.2.3:7000 [--interface eth0] [--source 10.0.0.5]
 *	multicast --send udp://239.1.2.3:7000 [--interface eth0] [--hops N] [--count N]
 *
 * The listener prints when each datagram came, by the kernel's stamp, who sent it and what it says; the sender sends a numbered line ten times a
 * second. Both end after --count of them (default: the listener at a signal, the sender after ten).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zokio/zokio.h>

struct options {
	const char *group, *interface, *source;
	unsigned long hops, count;
	bool is_sender;
	struct zok_endpoint endpoint;
};

static _Noreturn void refuse(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "%.80s %.120s: %s\n", option, value, why);
	exit(2);
}

static unsigned long number(const char *option, const char *value, unsigned long max, const char *takes)
{
	char *end;
	unsigned long read = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != '\0' || read == 0 || read > max)
		refuse(option, value, takes);
	return read;
}

static void take(struct options *options, const char *option, const char *value)
{
	char why[192];

	if (strcmp(option, "--listen") == 0 || strcmp(option, "--send") == 0) {
		if (zok_endpoint_parse(&options->endpoint, value, why, sizeof why) < 0)
			refuse(option, value, why);
		options->group = value;
		options->is_sender = strcmp(option, "--send") == 0;
	} else if (strcmp(option, "--interface") == 0) {
		options->interface = value;
	} else if (strcmp(option, "--source") == 0) {
		options->source = value;
	} else if (strcmp(option, "--hops") == 0) {
		options->hops = number(option, value, 255, "it takes 1 to 255");
	} else if (strcmp(option, "--count") == 0) {
		options->count = number(option, value, 1000000000, "it takes 1 to 1000000000");
	} else {
		refuse(option, "", "no such option; there are --listen, --send, --interface, --source, --hops and --count");
	}
}

static const char *host_of(const struct zok_endpoint *endpoint, char text[INET6_ADDRSTRLEN])
{
	const void *address = endpoint->address.ss_family == AF_INET
				      ? (const void *)&((const struct sockaddr_in *)(const void *)&endpoint->address)->sin_addr
				      : (const void *)&((const struct sockaddr_in6 *)(const void *)&endpoint->address)->sin6_addr;

	return inet_ntop(endpoint->address.ss_family, address, text, INET6_ADDRSTRLEN);
}

static void print(const struct zok_datagram *datagram)
{
	struct zok_endpoint from = {.len = datagram->from_len};
	char text[ZOK_ADDRESS_SIZE] = "?";

	memcpy(&from.address, datagram->from, datagram->from_len);
	zok_endpoint_format(&from, text, sizeof text);
	printf("%llu.%09llu %s %.*s\n", (unsigned long long)(datagram->software_ns / ZOK_S),
	       (unsigned long long)(datagram->software_ns % ZOK_S), text, (int)datagram->len, (const char *)datagram->data);
	fflush(stdout);
}

static int receive(struct zok_dgram_socket *socket, const struct options *options)
{
	struct zok_datagram datagrams[32];
	unsigned long seen = 0;
	int n = 0;

	while ((options->count == 0 || seen < options->count) && (n = zok_dgram_recv_batch(socket, datagrams, 32)) >= 0)
		for (int i = 0; i < n; i++, seen++) {
			print(&datagrams[i]);
			zok_datagram_release(&datagrams[i]);
		}
	return n < 0 ? n : 0;
}

/* With the port, where the kernel has chosen it. */
static void announce(const struct zok_dgram_socket *socket)
{
	struct zok_endpoint self;
	char text[ZOK_ADDRESS_SIZE];

	if (zok_dgram_local(socket, &self) == 0 && zok_endpoint_format(&self, text, sizeof text) == 0)
		printf("listening on %s\n", text);
	fflush(stdout);
}

static int listen_to(const struct options *options)
{
	const struct zok_dgram_options dgram = {.reuse_address = true, .timestamps = ZOK_TIMESTAMPS_SOFTWARE};
	struct zok_dgram_socket *socket;
	char host[INET6_ADDRSTRLEN];
	int rc = zok_dgram_open(&socket, options->group,
				&dgram); /* bound to the group: what is sent to this machine otherwise is left out */

	if (rc < 0)
		return rc;
	rc = zok_dgram_join(socket, host_of(&options->endpoint, host), options->source, options->interface);
	if (rc == 0) {
		announce(socket);
		rc = receive(socket, options);
	}
	zok_dgram_close(socket);
	return rc;
}

static int send_to(const struct options *options)
{
	const struct zok_dgram_options dgram = {
		.peer = options->group, .multicast_interface = options->interface, .multicast_hops = (uint8_t)options->hops};
	struct zok_dgram_socket *socket;
	char line[64];
	int rc = zok_dgram_open(&socket, NULL, &dgram);

	if (rc < 0)
		return rc;
	for (unsigned long i = 1; rc >= 0 && i <= (options->count ? options->count : 10); i++) {
		int len = snprintf(line, sizeof line, "datagram %lu", i);

		rc = (int)zok_dgram_send(socket, line, (size_t)len, NULL);
		if (rc >= 0)
			rc = zok_sleep(100 * ZOK_MS);
	}
	zok_dgram_close(socket);
	return rc;
}

static int run(void *arg)
{
	const struct options *options = arg;
	int rc = options->is_sender ? send_to(options) : listen_to(options);

	if (rc < 0 && rc != -ECANCELED)
		fprintf(stderr, "%s: %s\n", options->group, strerror(-rc));
	return rc;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int rc;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			refuse(argv[i], "", "its value is missing");
		take(&options, argv[i], argv[i + 1]);
	}
	if (!options.group || options.endpoint.address.ss_family == AF_UNIX)
		refuse("--listen", options.group ? options.group : "", "it takes udp://GROUP:port; or --send with the same");
	rc = zok_run(NULL, run, &options);
	return rc >= 0 || rc == -ECANCELED ? 0 : rc == -EINVAL ? 2 : 1;
}

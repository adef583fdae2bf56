/*
 * Boost.Asio: one io_context that is told that it has one thread and needs no lock, sockets bound to its own executor type (no virtual
 * executor), a write that is tried at once, and async_write only for what the socket would not take.
 */
#define BOOST_ASIO_DISABLE_THREADS 1
#include "perf/bench/peers/peer.h"

#include <boost/asio.hpp>
#include <utility>

namespace asio = boost::asio;
using boost::system::error_code;
using executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<asio::ip::tcp, executor>;
using acceptor_type = asio::basic_socket_acceptor<asio::ip::tcp, executor>;

namespace
{

class connection
{
	enum { BUFFER_SIZE = 16 * 1024 };

      public:
	explicit connection(socket_type socket) : socket_(std::move(socket))
	{
		socket_.non_blocking(true);
	}

	void read()
	{
		socket_.async_read_some(asio::buffer(data_), [this](const error_code &error, std::size_t size) {
			if (error)
				delete this;
			else
				write(size);
		});
	}

      private:
	void write(std::size_t size)
	{
		error_code error;
		std::size_t done = socket_.write_some(asio::buffer(data_, size), error);

		if (error && error != asio::error::would_block)
			delete this;
		else if (done == size)
			read();
		else
			write_rest(done, size);
	}

	void write_rest(std::size_t done, std::size_t size)
	{
		asio::async_write(socket_, asio::buffer(data_ + done, size - done), [this](const error_code &error, std::size_t) {
			if (error)
				delete this;
			else
				read();
		});
	}

	socket_type socket_;
	char data_[BUFFER_SIZE];
};

void accept(acceptor_type &acceptor)
{
	acceptor.async_accept([&acceptor](const error_code &error, socket_type socket) {
		if (!error)
			(new connection(std::move(socket)))->read();
		accept(acceptor);
	});
}

} // namespace

int main(int argc, char **argv)
{
	peer_pin(argc, argv);
	asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
	acceptor_type acceptor(context.get_executor(), asio::ip::tcp::v4(), peer_listen(argc, argv, 0));

	accept(acceptor);
	peer_ready();
	context.run();
}

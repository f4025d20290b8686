#include "support/upload_paths.hpp"

#include <chrono>
#include <cstdlib>
#include <string>

#include "coffer/http/body_source.hpp"
#include "coffer/http/body_stream.hpp"

namespace coffer::test {

namespace {

using stream_status = http::body_stream::status;

/// The next piece, or why there is none.
net::task<stream_status> read(http::body_stream& from, std::string& piece, std::atomic<std::size_t>& taken) {
  for (;;) {
    const stream_status got = from.take(piece);
    if (got != stream_status::nothing) {
      taken += piece.size();
      co_return got;
    }
    co_await from.wait();
  }
}

std::string ending_of(stream_status how, const http::body_stream& from) {
  if (how == stream_status::failed) {
    return std::string{to_string(from.failure().code)};
  }
  return how == stream_status::stopped ? "stopped" : "end";
}

net::task<http::response> whole(http::request& r, std::atomic<std::size_t>& taken) {
  http::response made{200, http::text_type, {}};
  std::string piece;
  for (;;) {
    const stream_status got = co_await read(*r.stream, piece, taken);
    if (got != stream_status::data) {
      if (got == stream_status::failed) {
        made.status = r.stream->failure().status;
        made.body += "|" + ending_of(got, *r.stream);
      }
      break;
    }
    made.body += piece;
  }
  co_return made;
}

net::task<http::response> first(http::request& r, std::atomic<std::size_t>& taken) {
  http::response made{200, http::text_type, {}};
  co_await read(*r.stream, made.body, taken);
  co_return made;
}

class mirror final : public http::body_source {
 public:
  mirror(http::body_stream& from, std::chrono::milliseconds pause, std::atomic<std::size_t>& taken)
      : from_{from}, pause_{pause}, taken_{taken} {}

  net::task<std::string> next(net::deadline) override {
    std::string piece;
    if (ended_) {
      co_return piece;
    }
    const stream_status got = co_await read(from_, piece, taken_);
    if (got != stream_status::data) {
      ended_ = true;
      co_return "|" + ending_of(got, from_);
    }
    if (pause_.count() > 0) {
      co_await net::sleep_for(pause_);
    }
    co_return piece;
  }

 private:
  http::body_stream& from_;
  std::chrono::milliseconds pause_;
  std::atomic<std::size_t>& taken_;
  bool ended_ = false;
};

}  // namespace

http::eventual_response answer_upload(http::request& r, std::atomic<std::size_t>& taken) {
  if (r.stream == nullptr) {
    return http::response{200, http::text_type, "no body"};
  }
  if (r.path() == "/upload/whole") {
    return whole(r, taken);
  }
  if (r.path() == "/upload/first") {
    return first(r, taken);
  }
  if (r.path() == "/upload/mirror") {
    http::response made{200};
    made.content_type = http::text_type;
    const std::chrono::milliseconds pause{std::atoi(std::string{r.query()}.c_str())};
    made.source = std::make_shared<mirror>(*r.stream, pause, taken);
    return made;
  }
  return http::response{415, http::text_type, "not this"};
}

}  // namespace coffer::test

#include "coffer/net/outgoing.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <utility>

#include <curl/curl.h>
#include <netinet/in.h>

#include "coffer/base/assert.hpp"
#include "coffer/net/address.hpp"
#include "coffer/net/oneshot.hpp"

namespace coffer::net {

namespace {

/// What is not the public internet: the registries of special-purpose addresses (RFC 6890), and IPv6 addresses that
/// stand for IPv4 ones. Of IPv6 only 2000::/3 is given out at all.
bool is_public(const address& a) {
  static const address_set special_v4 =
      address_set::parse(
          "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, "
          "192.0.2.0/24,"
          "192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4")
          .value();
  static const address_set given_out_v6 = address_set::parse("2000::/3").value();
  static const address_set special_v6 = address_set::parse("2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20").value();
  return a.is_v4() ? !special_v4.contains(a) : given_out_v6.contains(a) && !special_v6.contains(a);
}

template <auto Free>
struct freed_by {
  template <typename T>
  void operator()(T* owned) const {
    Free(owned);
  }
};
using owned_easy = std::unique_ptr<CURL, freed_by<curl_easy_cleanup>>;
using owned_multi = std::unique_ptr<CURLM, freed_by<curl_multi_cleanup>>;
using owned_list = std::unique_ptr<curl_slist, freed_by<curl_slist_free_all>>;
using owned_url = std::unique_ptr<CURLU, freed_by<curl_url_cleanup>>;
using owned_text = std::unique_ptr<char, freed_by<curl_free>>;

/// libcurl's own beginning, once per process and before any thread uses it.
void begin_curl() {
  static const CURLcode begun = curl_global_init(CURL_GLOBAL_DEFAULT);
  COFFER_ASSERT(begun == CURLE_OK);
}

/// A request that is under way. Lives in the frame of its coroutine.
struct transfer {
  transfer(outgoing_request what, const executor& home) : request{std::move(what)}, done{home} {}

  outgoing_request request;
  oneshot<outgoing_answer> done;
  owned_easy easy;
  owned_list headers;
  std::array<char, CURL_ERROR_SIZE> message{};
  outgoing_answer answer;
  std::size_t read = 0;  ///< bytes of the body
  bool met_forbidden = false;
  bool allow_private = false;
};

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* of) {
  auto& to = *static_cast<transfer*>(of);
  const std::size_t length = size * count;
  to.answer.body.append(bytes, std::min(length, outgoing::kept_body - to.answer.body.size()));
  to.read += length;
  return to.read > outgoing::longest_body ? 0 : length;
}

/// The address is judged here, behind the look-up of the name: what is judged is what is called.
curl_socket_t open_socket(void* of, curlsocktype, curl_sockaddr* to) {
  auto& by = *static_cast<transfer*>(of);
  if (!by.allow_private) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (to->family == AF_INET) {
      bytes = &reinterpret_cast<const sockaddr_in*>(&to->addr)->sin_addr;
    } else if (to->family == AF_INET6) {
      bytes = &reinterpret_cast<const sockaddr_in6*>(&to->addr)->sin6_addr;
    }
    const bool is_text = bytes != nullptr && ::inet_ntop(to->family, bytes, text.data(), text.size()) != nullptr;
    const auto address = is_text ? address::parse(text.data()) : std::nullopt;
    if (!address || !is_public(*address)) {
      by.met_forbidden = true;
      return CURL_SOCKET_BAD;
    }
  }
  return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

outgoing_answer::end end_of(CURLcode code, const transfer& of) {
  using enum outgoing_answer::end;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return timed_out;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return untrusted;
    default:
      return of.met_forbidden ? forbidden : unreachable;
  }
}

}  // namespace

struct outgoing::state {
  explicit state(outgoing_options given) : how{std::move(given)} {
    begin_curl();
    multi.reset(curl_multi_init());
    COFFER_ASSERT(multi != nullptr);
    curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(how.connections));
    curl_multi_setopt(multi.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(how.connections));
    thread = std::jthread{[this] { run(); }};
  }
  ~state() {
    stop();
    thread.join();
  }

  void stop() {
    {
      const std::lock_guard lock{mutex};
      stopped = true;
    }
    curl_multi_wakeup(multi.get());
  }

  void add(transfer& t) {
    {
      const std::lock_guard lock{mutex};
      if (!stopped) {
        if (arrived.empty()) {
          curl_multi_wakeup(multi.get());
        }
        arrived.push_back(&t);
        return;
      }
    }
    end_stopped(t);
  }

  static void end_stopped(transfer& t) {
    t.answer.message = "the server is stopping";
    t.done.set_from_any_thread(std::move(t.answer));
  }

  void run() {
    for (;;) {
      std::vector<transfer*> fresh;
      {
        const std::lock_guard lock{mutex};
        fresh.swap(arrived);
        if (stopped) {
          for (transfer* t : fresh) {
            end_stopped(*t);
          }
          break;
        }
      }
      for (transfer* t : fresh) {
        begin(*t);
      }
      int running = 0;
      curl_multi_perform(multi.get(), &running);
      int left = 0;
      while (const CURLMsg* said = curl_multi_info_read(multi.get(), &left)) {
        if (said->msg == CURLMSG_DONE) {
          end(said->easy_handle, said->data.result);
        }
      }
      constexpr int longest_pause_ms = 1000;
      curl_multi_poll(multi.get(), nullptr, 0, longest_pause_ms, nullptr);
    }
    for (transfer* t : active) {
      curl_multi_remove_handle(multi.get(), t->easy.get());
      t->easy.reset();
      end_stopped(*t);
    }
  }

  /// A handle with what all requests have alike, which stays when it is used again.
  [[nodiscard]] owned_easy make_easy() const {
    owned_easy made{curl_easy_init()};
    CURL* const c = made.get();
    COFFER_ASSERT(c != nullptr);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, how.allow_private ? "http,https" : "https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    if (!how.ca_file.empty()) {
      curl_easy_setopt(c, CURLOPT_CAINFO, how.ca_file.c_str());
      curl_easy_setopt(c, CURLOPT_CAPATH, nullptr);
    }
    return made;
  }

  void begin(transfer& t) {
    if (spare.empty()) {
      t.easy = make_easy();
    } else {
      t.easy = std::move(spare.back());
      spare.pop_back();
    }
    t.allow_private = how.allow_private;
    for (const std::string& each : t.request.headers) {
      t.headers.reset(curl_slist_append(t.headers.release(), each.c_str()));
    }
    CURL* const c = t.easy.get();
    curl_easy_setopt(c, CURLOPT_PRIVATE, &t);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t.message.data());
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, &t);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(t.request.time.count()));
    curl_easy_setopt(c, CURLOPT_URL, t.request.url.c_str());
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, t.headers.get());
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(t.request.body.size()));
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, t.request.body.data());
    active.push_back(&t);
    curl_multi_add_handle(multi.get(), c);
  }

  void end(CURL* c, CURLcode code) {
    transfer* t = nullptr;
    curl_easy_getinfo(c, CURLINFO_PRIVATE, &t);
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_off_t took = 0;
    curl_easy_getinfo(c, CURLINFO_TOTAL_TIME_T, &took);
    curl_multi_remove_handle(multi.get(), c);
    outgoing_answer& answer = t->answer;
    answer.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds{took});
    // A status counts, whatever becomes of the body behind it.
    constexpr long first_final_status = 200;
    if (status >= first_final_status) {
      answer.ended = outgoing_answer::end::answered;
      answer.status = static_cast<int>(status);
    } else {
      answer.ended = end_of(code, *t);
      answer.message = t->message.front() != '\0' ? t->message.data() : curl_easy_strerror(code);
      if (answer.ended == outgoing_answer::end::forbidden) {
        answer.message = "the host has an address that is not public";
      }
    }
    spare.push_back(std::move(t->easy));
    active.erase(std::ranges::find(active, t));
    t->done.set_from_any_thread(std::move(answer));
  }

  outgoing_options how;
  owned_multi multi;
  std::mutex mutex;
  std::vector<transfer*> arrived;  ///< guarded by mutex, as is
  bool stopped = false;
  // Of the thread alone:
  std::vector<transfer*> active;
  std::vector<owned_easy> spare;
  std::jthread thread;
};

outgoing::outgoing(outgoing_options how) : state_{std::make_unique<state>(std::move(how))} {}
outgoing::~outgoing() = default;

task<outgoing_answer> outgoing::post(outgoing_request request) {
  transfer mine{std::move(request), co_await asio::this_coro::executor};
  state_->add(mine);
  co_return co_await mine.done.wait();
}

void outgoing::stop() { state_->stop(); }

std::expected<void, std::string> check_outgoing_url(std::string_view url, bool allow_private) {
  begin_curl();
  const owned_url parsed{curl_url()};
  COFFER_ASSERT(parsed != nullptr);
  const std::string text{url};
  const bool has_host = !url.contains(":///");  // libcurl takes what comes behind for the host
  if (!has_host || curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
    return std::unexpected{std::string{"be an absolute URL like https://example.com/hook, without a user's name"}};
  }
  const auto part = [&parsed](CURLUPart which) {
    char* found = nullptr;
    const bool is_there = curl_url_get(parsed.get(), which, &found, 0) == CURLUE_OK;
    const owned_text owned{found};
    return is_there ? std::string{found} : std::string{};
  };
  const std::string scheme = part(CURLUPART_SCHEME);
  if (scheme != "https" && !(allow_private && scheme == "http")) {
    return std::unexpected{std::string{allow_private ? "begin with https:// or http://" : "begin with https://"}};
  }
  if (!part(CURLUPART_FRAGMENT).empty()) {
    return std::unexpected{std::string{"have no fragment"}};
  }
  std::string host = part(CURLUPART_HOST);
  if (host.starts_with('[')) {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = address::parse(host);
  const bool is_local = host == "localhost" || host.ends_with(".localhost");
  if (!allow_private && (is_local || (address && !is_public(*address)))) {
    return std::unexpected{std::string{"name a host on the public internet"}};
  }
  return {};
}

}  // namespace coffer::net

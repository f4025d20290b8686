// One proxied connection without its sockets' loop: framing, faults and buffers. Only for fault_proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/fault_proxy.hpp"

namespace coffer::test::detail {

/// A fault that waits for its moment.
struct fault_rule {
  fault_point at;
  std::string text;  ///< lower case
  fault_action what;
  int remaining;
};

/// A fault at a place in the byte stream of one direction.
struct byte_rule {
  std::size_t remaining;
  fault_action what;
};

/// The faults of one proxy, shared by its links.
struct fault_plan {
  std::vector<fault_rule> statements;
  std::optional<byte_rule> client_bytes;
  std::optional<byte_rule> server_bytes;
  int struck = 0;

  /// Counts one match; the action of the rule that is due.
  std::optional<fault_action> match(fault_point at, std::string_view text);
};

/// The buffers and the protocol state of one client.
class link {
 public:
  link(int client, int server, fault_proxy::protocol spoken) : client_{client}, server_{server}, spoken_{spoken} {}
  ~link();
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  [[nodiscard]] int client() const { return client_; }
  [[nodiscard]] int server() const { return server_; }
  [[nodiscard]] bool stalled() const { return stalled_; }
  void stall() { stalled_ = true; }
  void resume() { stalled_ = false; }

  /// Whether more should be read from, or written to, each side.
  [[nodiscard]] bool reads_client() const { return !stalled_ && !closing_ && to_server_.size() < high_water; }
  [[nodiscard]] bool reads_server() const { return !stalled_ && !closing_ && to_client_.size() < high_water; }
  [[nodiscard]] bool writes_client() const { return !stalled_ && !to_client_.empty(); }
  [[nodiscard]] bool writes_server() const { return !stalled_ && !to_server_.empty(); }
  /// Nothing is left to do: delete it.
  [[nodiscard]] bool finished() const { return !stalled_ && closing_ && to_client_.empty() && to_server_.empty(); }

  void read_client();
  void read_server();
  /// Moves what has been read, as far as the faults allow, and writes it.
  void pump(fault_plan& plan);

 private:
  static constexpr std::size_t high_water = 1 << 20;

  void forward_client(fault_plan& plan);
  void forward_server(fault_plan& plan);
  void forward_bytes(std::string& from, std::string& to, std::optional<byte_rule>& rule, fault_plan& plan);
  bool take_startup();
  /// The SQL and name of the statement that a Query or Bind runs; nullopt for other messages.
  std::optional<std::string> executed(char type, std::string_view payload);
  void strike(fault_action what);
  void write(int fd, std::string& buffer);

  int client_;
  int server_;
  fault_proxy::protocol spoken_;
  std::string from_client_, from_server_;  ///< read, not yet understood
  std::string to_client_, to_server_;      ///< forwarded, not yet written
  std::map<std::string, std::string, std::less<>> statements_;
  std::optional<fault_action> after_sync_;
  bool started_ = false;
  bool client_passed_ = false;  ///< the message in front has been matched already
  bool server_passed_ = false;
  bool stalled_ = false;
  bool closing_ = false;
};

}  // namespace coffer::test::detail

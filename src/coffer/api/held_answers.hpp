// The answers of an upload, kept until the upload has been read: for clients that send everything before they read.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "coffer/api/upload_slots.hpp"
#include "coffer/base/log.hpp"
#include "coffer/http/body_source.hpp"

namespace coffer::api {

/// Which answers a client is shown; the others are counted in the summary.
enum class shown_answers : std::uint8_t { all, refusals, none };

/// A file without a name: the kernel frees it with its descriptor, also after a crash.
class nameless_file {
 public:
  nameless_file() = default;
  nameless_file(const nameless_file&) = delete;
  nameless_file& operator=(const nameless_file&) = delete;
  ~nameless_file() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

  /// What went wrong; success: it is open.
  std::error_code open(const std::string& directory) {
    fd_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
      // A file system, or a kernel, that cannot do that: a name for a moment.
      std::string name = directory + "/coffer-answers-XXXXXX";
      fd_ = ::mkostemp(name.data(), O_CLOEXEC);
      if (fd_ >= 0) {
        ::unlink(name.c_str());
      }
    }
    return fd_ >= 0 ? std::error_code{} : last_error();
  }

  /// Writes all of `bytes` at the end. What was written before a failure is not counted as written.
  std::error_code append(std::string_view bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t wrote = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_ + done));
      if (wrote > 0) {
        done += static_cast<std::size_t>(wrote);
      } else if (wrote == 0 || errno != EINTR) {
        return wrote == 0 ? std::make_error_code(std::errc::no_space_on_device) : last_error();
      }
    }
    size_ += bytes.size();
    return {};
  }

  /// The next bytes, at most `most`; empty at the end. Throws std::system_error.
  std::string read(std::size_t most) {
    std::string bytes(std::min(most, size_ - read_), '\0');
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t got = ::pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(read_ + done));
      if (got > 0) {
        done += static_cast<std::size_t>(got);
      } else if (got == 0 || errno != EINTR) {
        throw std::system_error{got == 0 ? std::make_error_code(std::errc::io_error) : last_error(),
                                "answers of an upload could not be read back"};
      }
    }
    read_ += bytes.size();
    return bytes;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static std::error_code last_error() { return {errno, std::generic_category()}; }

  int fd_ = -1;
  std::size_t size_ = 0;
  std::size_t read_ = 0;
};

/// Takes answers in order and gives them back in order. More than `in_memory` bytes go to a file; when that cannot be
/// written, there is room for as many again and no more. Writing and reading block the thread for as long as the page
/// cache takes.
class held_answers final : public http::body_source {
 public:
  /// What one upload keeps in memory, in bytes.
  static constexpr std::size_t in_memory = 256 * 1024;

  /// `slot` is kept until the last answer has been sent.
  held_answers(held_answers_options how, std::shared_ptr<void> slot) : how_{std::move(how)}, slot_{std::move(slot)} {}
  held_answers(const held_answers&) = delete;
  held_answers& operator=(const held_answers&) = delete;
  ~held_answers() override { count_held(0, 0); }

  /// Which of the `wanted` answers there is still room for. The last eighth is for refusals.
  [[nodiscard]] shown_answers room_for(shown_answers wanted) const {
    const std::size_t held = file_.size() + memory_.size();
    const std::size_t limit = failed_ ? std::min(how_.limit, file_.size() + 2 * in_memory) : how_.limit;
    if (held + piece >= limit) {
      return shown_answers::none;
    }
    const bool nearly_full = held + piece >= limit - limit / 8;
    return nearly_full ? std::max(wanted, shown_answers::refusals) : wanted;
  }

  /// Takes the next answers, also when there is no room: the summary must not be missing.
  void add(std::string_view answers) {
    memory_ += answers;
    if (memory_.size() >= in_memory && !failed_) {
      spill();
    }
    count_held(memory_.size(), file_.size());
  }

  net::task<std::string> next(net::deadline) override {
    std::string out = file_.is_open() ? file_.read(piece) : std::string{};
    if (out.empty()) {
      out = memory_.substr(given_, piece);
      given_ += out.size();
    }
    co_return out;
  }

 private:
  static constexpr std::size_t piece = 64 * 1024;

  void spill() {
    std::error_code why = file_.is_open() ? std::error_code{} : file_.open(how_.directory);
    if (!why) {
      why = file_.append(memory_);
    }
    if (!why) {
      memory_.clear();
      return;
    }
    failed_ = true;
    held_metrics::get().file_failures.add();
    log::warn("answers of an upload cannot be held in a file",
              {{"directory", std::string_view{how_.directory}},
               {"message", std::string_view{why.message()}},
               {"remedy", "they are counted; give --spool-directory a place that can be written"}});
  }

  /// Tells the metrics how much is held now.
  void count_held(std::size_t memory, std::size_t file) {
    const held_metrics& now = held_metrics::get();
    now.memory.add(static_cast<double>(memory) - static_cast<double>(std::exchange(counted_memory_, memory)));
    now.files.add(static_cast<double>(file) - static_cast<double>(std::exchange(counted_file_, file)));
  }

  held_answers_options how_;
  std::shared_ptr<void> slot_;
  std::string memory_;  ///< what comes behind the file
  nameless_file file_;
  std::size_t given_ = 0;  ///< of memory_
  std::size_t counted_memory_ = 0;
  std::size_t counted_file_ = 0;
  bool failed_ = false;
};

}  // namespace coffer::api

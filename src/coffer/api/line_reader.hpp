// Cuts a stream of bytes into lines. Knows nothing of what they mean.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace coffer::api {

/// The lines of an upload, fed piece by piece. Holds one piece and one line.
class line_reader {
 public:
  /// The longest line, in bytes without its end.
  static constexpr std::size_t longest = 16 * 1024;

  enum class status {
    line,      ///< there is one
    none,      ///< feed() more, or the upload is over
    too_long,  ///< the next line is longer than `longest`; there is no way to go on
  };

  /// The buffer for the next piece; fill it when next() has said `none`.
  std::string& piece() { return piece_; }
  /// piece() has been filled.
  void fed() { at_ = 0; }

  /// The next line that is not blank, without "\n" or "\r\n". With `at_end`, what follows the last line end is a line
  /// too. The line is valid until the next call.
  status next(std::string& line, bool at_end) {
    for (;;) {
      const std::string_view rest = std::string_view{piece_}.substr(at_);
      const std::size_t end = rest.find('\n');
      const bool complete = end != std::string_view::npos;
      const std::string_view part = rest.substr(0, end);
      // One byte more may be the CR of the line's end.
      if (part.size() + begun_.size() > longest + 1) {
        return status::too_long;
      }
      begun_.append(part);
      at_ += part.size() + (complete ? 1 : 0);
      if (!complete && (!at_end || begun_.empty())) {
        return status::none;
      }
      if (begun_.ends_with('\r')) {
        begun_.pop_back();
      }
      if (begun_.size() > longest) {
        return status::too_long;
      }
      ++number_;
      line.swap(begun_);
      begun_.clear();
      if (line.find_first_not_of(" \t") != std::string::npos) {
        return status::line;
      }
    }
  }

  /// The number of the last line that was complete and not too long, from 1. Blank lines count.
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  std::string piece_;
  std::size_t at_ = 0;  ///< what of piece_ has been read
  std::string begun_;   ///< a line of which more is to come
  std::size_t number_ = 0;
};

}  // namespace coffer::api

// Migration files in dbmate's format and the ones inside the binary. Pure: knows no database.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/ascii.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/base/hash.hpp"

namespace coffer::app {

/// A file of migrations/ as it was when the binary was built.
struct embedded_migration {
  std::string_view file_name;
  std::string_view text;
};

/// All of them, sorted by name.
std::span<const embedded_migration> embedded_migrations() noexcept;

/// One direction of a migration.
struct migration_block {
  std::string sql;             ///< may be empty: nothing to do
  bool in_transaction = true;  ///< false with `transaction:false`, for create index concurrently and the like
};

/// Rows that a way down deletes, or whose meaning it takes away: "-- coffer:loses WHAT: TABLE [where CONDITION]".
struct migration_loss {
  std::string what;       ///< as an operator would call them, e.g. "server keys"
  std::string table;      ///< where they are
  std::string condition;  ///< which of its rows; empty: all
};

/// Tables and columns that a way down drops without asking: "-- coffer:drops TABLE[.COLUMN], ...: WHY".
struct migration_drop {
  std::vector<std::string> names;
  std::string why;
};

/// A migration file, parsed. Lines that begin with "-- coffer:" are for coffer; for everybody else they are comments.
struct migration {
  std::string version;    ///< the digits the file name starts with
  std::string file_name;  ///< e.g. "20261101120000_initial.sql"
  std::string sha256;     ///< of the whole file but its lines for coffer, 64 hexadecimal digits
  migration_block up;
  migration_block down;
  bool has_down = false;
  std::vector<migration_loss> losses;
  std::vector<migration_drop> drops;
  /// Checksums of former texts that lead to the same schema, "-- coffer:replaces SHA256": where one of them was
  /// applied, nothing was changed.
  std::vector<std::string> replaces;
};

namespace detail {

inline constexpr std::string_view space = " \t\r";
inline constexpr std::string_view decimal_digits = "0123456789";

inline std::string_view trimmed(std::string_view text) { return ascii::trim(text, " \t\r\n"); }

/// The first word of `text`, removed from it; empty at the end.
inline std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(space));
  text.remove_prefix(word.size());
  return word;
}

enum class direction : std::uint8_t { up, down };

/// "-- migrate:up transaction:false" and its kin.
struct directive {
  direction way;
  std::string_view options;
};

inline std::optional<directive> directive_of(std::string_view line) {
  if (!line.starts_with("--")) {
    return std::nullopt;
  }
  line.remove_prefix(2);
  const std::string_view word = take_word(line);
  if (word == "migrate:up") {
    return directive{direction::up, line};
  }
  if (word == "migrate:down") {
    return directive{direction::down, line};
  }
  return std::nullopt;
}

inline constexpr std::string_view own_line = "-- coffer:";

/// "WHAT: REST" cut at its first colon, both trimmed; nullopt when one of them is empty.
inline std::optional<std::pair<std::string, std::string>> cut_at_colon(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::pair<std::string, std::string> both{trimmed(text.substr(0, colon)), trimmed(text.substr(colon + 1))};
  return both.first.empty() || both.second.empty() ? std::nullopt : std::optional{std::move(both)};
}

/// Takes what follows "-- coffer:" into `out`. The problem with it, or empty.
inline std::string take_own_line(migration& out, std::string_view text) {
  const std::string_view word = take_word(text);
  if (word == "replaces") {
    const std::string_view sum = trimmed(text);
    if (sum.size() != 64 || sum.find_first_not_of(ascii::hex_digits) != std::string_view::npos) {
      return "needs the SHA-256 of the text that '-- coffer:replaces' speaks of";
    }
    out.replaces.emplace_back(sum);
    return {};
  }
  if (word == "loses") {
    const auto both = cut_at_colon(text);
    if (!both) {
      return "needs '-- coffer:loses WHAT: TABLE [where CONDITION]'";
    }
    std::string_view where = both->second;
    migration_loss loss{.what = both->first, .table = std::string{take_word(where)}, .condition = {}};
    if (const std::string_view joint = take_word(where); !joint.empty() && joint != "where") {
      return "needs '-- coffer:loses WHAT: TABLE [where CONDITION]'";
    }
    loss.condition = trimmed(where);
    out.losses.push_back(std::move(loss));
    return {};
  }
  if (word == "drops") {
    const auto both = cut_at_colon(text);
    if (!both) {
      return "needs '-- coffer:drops TABLE[.COLUMN], ...: WHY'";
    }
    migration_drop drop{.names = {}, .why = both->second};
    for (std::string_view rest = both->first; !rest.empty();) {
      const auto comma = std::min(rest.find(','), rest.size());
      drop.names.emplace_back(trimmed(rest.substr(0, comma)));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    out.drops.push_back(std::move(drop));
    return {};
  }
  return fmt::format("has the unknown line '-- coffer:{}': loses, drops and replaces are known", word);
}

/// The text without its lines for coffer: what a checksum is made of, so that what is said about a migration can be
/// corrected without changing it.
inline std::string without_own_lines(std::string_view text) {
  std::string left;
  left.reserve(text.size());
  while (!text.empty()) {
    const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
    if (!line.starts_with(own_line)) {
      left += line;
    }
    text.remove_prefix(line.size());
  }
  return left;
}

/// Reads a file line by line into the two blocks.
class block_reader {
 public:
  explicit block_reader(migration& out) : out_{out} {}

  /// The problem with the line, or empty.
  std::string take(std::string_view line) {
    if (line.starts_with(own_line)) {
      return take_own_line(out_, line.substr(own_line.size()));
    }
    const auto found = directive_of(line);
    if (found) {
      return open(*found);
    }
    if (current_ != nullptr) {
      current_->sql.append(line).append("\n");
      return {};
    }
    const std::string_view text = trimmed(line);
    return text.empty() || text.starts_with("--") ? "" : "has a statement before its '-- migrate:up' line";
  }

  /// The problem with the whole file, or empty.
  [[nodiscard]] std::string finish() const {
    return has_up_ ? "" : "has no '-- migrate:up' line: see `coffer migrate new` for a template";
  }

 private:
  std::string open(directive found) {
    bool& seen = found.way == direction::up ? has_up_ : out_.has_down;
    if (seen) {
      return "has two '-- migrate:up' or two '-- migrate:down' lines";
    }
    if (found.way == direction::down && !has_up_) {
      return "has its '-- migrate:down' line before '-- migrate:up'";
    }
    seen = true;
    current_ = found.way == direction::up ? &out_.up : &out_.down;
    for (auto word = take_word(found.options); !word.empty(); word = take_word(found.options)) {
      if (word == "transaction:false") {
        current_->in_transaction = false;
      } else if (word != "transaction:true") {
        return fmt::format("has the unknown option '{}': transaction:false is the only one", word);
      }
    }
    return {};
  }

  migration& out_;
  migration_block* current_ = nullptr;
  bool has_up_ = false;
};

}  // namespace detail

/// Parses one file. The error is a sentence for the author of the file that starts with its name.
inline std::expected<migration, std::string> parse_migration(std::string_view file_name, std::string_view text) {
  const auto fail = [&](std::string_view what) { return std::unexpected{fmt::format("{} {}", file_name, what)}; };
  migration parsed;
  parsed.file_name = file_name;
  parsed.sha256 = to_hex(coffer::sha256(detail::without_own_lines(text)));
  parsed.version = file_name.substr(0, std::min(file_name.find_first_not_of(detail::decimal_digits), file_name.size()));
  if (parsed.version.empty() || !file_name.ends_with(".sql")) {
    return fail("is not a migration's name: it must be <timestamp>_<name>.sql");
  }
  detail::block_reader reader{parsed};
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (const std::string problem = reader.take(line); !problem.empty()) {
      return fail(problem);
    }
  }
  if (const std::string problem = reader.finish(); !problem.empty()) {
    return fail(problem);
  }
  parsed.up.sql = detail::trimmed(parsed.up.sql);
  parsed.down.sql = detail::trimmed(parsed.down.sql);
  return parsed;
}

/// The embedded migrations, parsed, in order of their versions. A malformed one is a bug.
inline std::vector<migration> built_in_migrations() {
  std::vector<migration> all;
  for (const embedded_migration& file : embedded_migrations()) {
    auto parsed = parse_migration(file.file_name, file.text);
    COFFER_ASSERT(parsed.has_value());
    all.push_back(std::move(*parsed));
  }
  return all;
}

/// The migrations of a folder in order of their versions: files that start with a digit and end in .sql. The error
/// names the folder or file; two files of one version are an error.
inline std::expected<std::vector<migration>, std::string> read_migrations(const std::string& folder) {
  std::error_code failed;
  std::vector<std::filesystem::path> paths;
  for (std::filesystem::directory_iterator it{folder, failed}, end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    if (detail::decimal_digits.contains(name.front()) && name.ends_with(".sql")) {
      paths.push_back(it->path());
    }
  }
  if (failed) {
    return std::unexpected{fmt::format("the folder {} cannot be read: {}", folder, failed.message())};
  }
  std::ranges::sort(paths);
  std::vector<migration> all;
  for (const auto& path : paths) {
    std::ifstream file{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (!file) {
      return std::unexpected{fmt::format("{} cannot be read", path.string())};
    }
    auto parsed = parse_migration(path.filename().string(), text);
    if (!parsed) {
      return std::unexpected{parsed.error()};
    }
    if (!all.empty() && all.back().version == parsed->version) {
      return std::unexpected{fmt::format("{} and {} have the same version {}: rename one", all.back().file_name,
                                         parsed->file_name, parsed->version)};
    }
    all.push_back(std::move(*parsed));
  }
  return all;
}

}  // namespace coffer::app

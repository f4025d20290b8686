#include "coffer/http/route_table.hpp"

#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

#include "coffer/base/ids.hpp"
#include "coffer/http/query_string.hpp"

namespace coffer::http {

namespace {

constexpr bool never_allowed(method verb) { return verb == method::trace || verb == method::connect; }

/// The integer of a parameter segment: 1 to 2^53-1 in plain decimal, without sign or leading zero.
std::optional<std::int64_t> to_id(std::string_view text) {
  constexpr std::size_t longest = 16;  // digits of 2^53-1
  if (text.empty() || text.size() > longest || text.front() < '1' || text.front() > '9') {
    return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value > max_json_integer) {
    return std::nullopt;
  }
  return value;
}

std::string methods_of(const std::array<std::size_t, method_count>& index_of, std::size_t none) {
  std::string list;
  for (std::size_t i = 0; i < method_count; ++i) {
    const bool head_of_get =
        i == static_cast<std::size_t>(method::head) && index_of[static_cast<std::size_t>(method::get)] != none;
    if (index_of[i] != none || head_of_get) {
      list.append(list.empty() ? "" : ", ").append(to_string(static_cast<method>(i)));
    }
  }
  return list;
}

/// Removes "/v1" in front of a further segment.
std::string_view without_version(std::string_view path) {
  constexpr std::string_view prefix = "/v1";
  return path.starts_with(prefix) && path.size() > prefix.size() && path[prefix.size()] == '/'
             ? path.substr(prefix.size())
             : path;
}

}  // namespace

void route_table::add(method verb, std::string_view pattern, std::size_t index) {
  COFFER_ASSERT(!compiled_);
  routes_.push_back(route{verb, pattern, index});
}

route_table::literals route_table::split(std::string_view pattern) {
  const auto malformed = [&](std::string_view why) {
    return std::invalid_argument(fmt::format("route {}: {}", pattern, why));
  };
  if (!pattern.starts_with('/')) {
    throw malformed("a path starts with a slash");
  }
  literals segments;
  if (pattern == "/") {
    return segments;
  }
  std::size_t parameters = 0;
  std::size_t texts = 0;
  for (std::string_view rest = pattern; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    const bool parameter = segment.starts_with('{') && segment.ends_with('}') && segment.size() > 2;
    const std::string_view name = parameter ? segment.substr(1, segment.size() - 2) : segment;
    if (name.empty() || name.find_first_of("{}%?#") != std::string_view::npos) {
      throw malformed("a segment is a literal or {name}");
    }
    if (!parameter && to_id(segment)) {
      throw malformed("a literal number cannot be told from a parameter");
    }
    parameters += parameter ? 1U : 0U;
    const bool is_text = parameter && (name.ends_with("_key") || name.ends_with("_code"));
    texts += is_text ? 1U : 0U;
    segments.push_back(is_text ? text_parameter : parameter ? std::string_view{} : segment);
  }
  if (segments.size() > max_segments || parameters - texts > path_params::capacity || texts > 1) {
    throw malformed("too many segments or parameters");
  }
  return segments;
}

route_table::resource& route_table::resource_for(const route& r) {
  literals segments = split(r.pattern);
  auto& same_size = by_size_[segments.size()];
  for (resource& known : same_size) {
    if (known.segments == segments) {
      if (known.pattern != r.pattern) {
        throw std::invalid_argument(
            fmt::format("routes {} and {}: one path with two spellings", known.pattern, r.pattern));
      }
      return known;
    }
  }
  resource& made = same_size.emplace_back();
  made.segments = std::move(segments);
  made.pattern = r.pattern;
  made.index_of.fill(none);
  return made;
}

void route_table::compile() {
  COFFER_ASSERT(!compiled_);
  std::array<std::size_t, method_count> any;
  any.fill(none);
  for (const route& r : routes_) {
    if (never_allowed(r.verb)) {
      throw std::invalid_argument(
          fmt::format("route {} {}: this method is never served", to_string(r.verb), r.pattern));
    }
    std::size_t& place = resource_for(r).index_of[static_cast<std::size_t>(r.verb)];
    if (place != none) {
      throw std::invalid_argument(fmt::format("route {} {} is there twice", to_string(r.verb), r.pattern));
    }
    place = r.index;
    any[static_cast<std::size_t>(r.verb)] = r.index;
  }
  for (auto& same_size : by_size_) {
    for (resource& known : same_size) {
      known.allow = methods_of(known.index_of, none);
    }
  }
  allow_any_ = methods_of(any, none);
  compiled_ = true;
}

bool route_table::fit(const resource& candidate, const std::string_view* segments, const std::string_view* sent,
                      path_params& params) {
  params = path_params{};
  for (std::size_t i = 0; i < candidate.segments.size(); ++i) {
    const std::string_view literal = candidate.segments[i];
    if (literal == text_parameter) {
      params.set_text(sent[i]);
    } else if (!literal.empty()) {
      if (segments[i] != literal) {
        return false;
      }
    } else if (const auto id = to_id(segments[i])) {
      params.push(*id);
    } else {
      return false;
    }
  }
  return true;
}

const route_table::resource* route_table::find(std::string_view path, path_params& params) const {
  if (!path.starts_with('/')) {
    return nullptr;
  }
  path = without_version(path);
  if (path == "/") {
    path.remove_prefix(1);
  }
  const std::size_t whole = path.size();
  std::array<std::string_view, max_segments> segments;
  std::array<std::string_view, max_segments> sent;
  std::string decoded;  // segments that were encoded; never grows beyond what it reserves
  std::size_t count = 0;
  while (!path.empty()) {
    path.remove_prefix(1);
    std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment.empty() || count == max_segments) {
      return nullptr;
    }
    sent[count] = segment;
    if (segment.find('%') != std::string_view::npos) {
      auto plain = percent_decode(segment, false);
      if (!plain) {
        return nullptr;
      }
      decoded.reserve(whole);
      const std::size_t begin = decoded.size();
      decoded += *plain;
      segment = std::string_view{decoded}.substr(begin);
    }
    segments[count++] = segment;
  }
  for (const resource& candidate : by_size_[count]) {
    if (fit(candidate, segments.data(), sent.data(), params)) {
      return &candidate;
    }
  }
  return nullptr;
}

route_table::result route_table::match(method verb, std::string_view path) const {
  COFFER_ASSERT(compiled_);
  result answer;
  if (verb == method::options && path == "*") {
    answer.outcome = route_outcome::whole_server;
    answer.allow = allow_any_;
    return answer;
  }
  const resource* found = find(path, answer.params);
  if (found == nullptr) {
    if (never_allowed(verb)) {
      answer.outcome = route_outcome::method_not_allowed;
      answer.allow = allow_any_;
    }
    return answer;
  }
  answer.pattern = found->pattern;
  answer.index = found->index_of[static_cast<std::size_t>(verb)];
  if (answer.index == none && verb == method::head) {
    answer.index = found->index_of[static_cast<std::size_t>(method::get)];
  }
  answer.outcome = answer.index == none ? route_outcome::method_not_allowed : route_outcome::found;
  answer.allow = found->allow;
  return answer;
}

}  // namespace coffer::http

// Pages for people, embedded when the program is built, and what they are put together with.
#pragma once

#include <string>
#include <string_view>

#include "coffer/base/error.hpp"

namespace coffer::api {

class shapes;

namespace pages {

// The files of the folder pages.
extern const std::string_view docs_html;
extern const std::string_view docs_css;
extern const std::string_view docs_js;

inline constexpr std::string_view html_type = "text/html; charset=utf-8";
inline constexpr std::string_view css_type = "text/css; charset=utf-8";
inline constexpr std::string_view js_type = "text/javascript; charset=utf-8";

/// What a page may do: nothing but to load its own style and script and to ask this server
/// (https://www.w3.org/TR/CSP3/).
inline constexpr std::string_view policy =
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

/// What one error code means, as HTML and as JSON.
std::string problem_html(errc code);
std::string problem_json(errc code);
/// All of them.
std::string problems_html();
std::string problems_json();
/// What those two look like.
void add_shapes(shapes& all);

}  // namespace pages

}  // namespace coffer::api

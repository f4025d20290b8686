// The admin listener's API: metrics and liveness, for operators only.
#pragma once

#include "coffer/http/handler.hpp"

namespace coffer::app {

/// Answers GET /metrics (Prometheus text exposition format 0.0.4) and GET /livez.
class admin final : public http::handler {
 public:
  http::eventual_response handle(http::request& r) override;
  http::response reject(const http::rejection& why, const http::request& r) override;
};

}  // namespace coffer::app

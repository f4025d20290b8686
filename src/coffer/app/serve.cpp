#include "coffer/app/serve.hpp"

#include <stdexcept>

namespace coffer::app {

int serve(const settings& how) { throw std::runtime_error("there is no server yet at " + how.listen); }

}  // namespace coffer::app

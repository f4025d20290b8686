#pragma once

// A static library exports nothing.
#define PROMETHEUS_CPP_CORE_EXPORT

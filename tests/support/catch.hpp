// Catch2 2 and 3 under one include.
#pragma once

#ifdef COFFER_CATCH2_V2
#include <catch2/catch.hpp>
#else
#include <catch2/catch_all.hpp>
#endif

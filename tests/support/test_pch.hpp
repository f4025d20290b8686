// Precompiled header of the tests.
#ifndef COFFER_TEST_PCH_HPP
#define COFFER_TEST_PCH_HPP

#include "coffer/pch.hpp"
#include "support/catch.hpp"

#endif

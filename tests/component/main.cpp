// The program's entry point under Catch2 2; Catch2 3 links its own.
#ifdef COFFER_CATCH2_V2
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
